"""What belongs to the site rather than to the page, or is not there to be seen.

Scripts, navigation, the site's header and footer, consent banners, permalink marks, and what an attribute or inline
style hides. Promises: nothing around or inside a page's content is taken for the site's own.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborNode

# A header or footer inside one of these is its own; elsewhere it is the site's.
SCOPES = frozenset({"main", "article", "section", "aside", "blockquote"})
_INVISIBLE_TAGS = frozenset(
    """script style head title template noscript svg canvas iframe object embed audio video map datalist select
    textarea input link meta nav""".split()
)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_SITE_ROLES = frozenset({"navigation", "banner", "contentinfo", "search"})
_HIDING_STYLE = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_CONSENT = re.compile(
    r"onetrust-|cybotcookiebot|osano-cm|didomi-|usercentrics|truste-|cky-consent|iubenda-cs|cc-window|termly-"
    r"|\b(?:cookies?|consent|gdpr)[-_]?(?:banner|bar|popup|modal|overlay|dialog|toast)\b",
    re.IGNORECASE,
)
_ANCHOR_MARKS = frozenset({"#", "¶", "🔗"})


def is_chrome(node: LexborNode, *, inside_content: bool) -> bool:
    """Whether an element and all in it is to be left out. `inside_content`: it stands in content, or content in it."""
    if node.tag in _INVISIBLE_TAGS or _is_permalink(node):
        return True
    attributes = node.attributes
    if _is_hidden(attributes):
        return True
    if inside_content or node.tag in _HEADINGS:
        return False
    return _is_consent(attributes) or _is_site_frame(node.tag, attributes)


def _is_permalink(node: LexborNode) -> bool:
    return node.tag == "a" and (node.text(deep=True) or "").strip() in _ANCHOR_MARKS


def _is_hidden(attributes: dict[str, str | None]) -> bool:
    if "hidden" in attributes and (attributes["hidden"] or "").lower() != "until-found":
        return True
    return bool(_HIDING_STYLE.search(attributes.get("style") or ""))


def _is_consent(attributes: dict[str, str | None]) -> bool:
    return any(_CONSENT.search(attributes.get(name) or "") for name in ("id", "class", "aria-label"))


def _is_site_frame(tag: str | None, attributes: dict[str, str | None]) -> bool:
    return tag in ("header", "footer") or attributes.get("role") in _SITE_ROLES
