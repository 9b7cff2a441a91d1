"""How a vendor publishes a page: its words as an HTML document, or as Markdown.

Each page has several *dresses* with the same words: other elements and classes, other link targets, other line breaks.
What is said about the page itself, such as the day of its last edit, stands in the site's footer, as it does on the
web.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from datetime import datetime
from html import escape

from markdown_it import MarkdownIt

from redline.demo.page import Page

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_STYLE = "body{font:16px/1.6 system-ui;max-width:44rem;margin:2rem auto;padding:0 1rem}td,th{padding:.2rem .8rem}"


def body(page: Page, *, revision: int, vendor: str, edited_at: datetime) -> bytes:
    """Return the page as it is served at a revision."""
    words, dress = page.markdown(revision), page.dress(revision)
    if page.served == "markdown":
        return _MARKDOWN_DRESSES[dress % len(_MARKDOWN_DRESSES)](words).encode()
    main = _HTML_DRESSES[dress % len(_HTML_DRESSES)](_MARKDOWN.render(words))
    footer = f"{escape(vendor)} · Last updated {edited_at:%d %B %Y} · A fictional company"
    return document(f"{page.title} – {vendor}", f"{_navigation(vendor)}{main}<footer><hr>{footer}</footer>")


def document(title: str, inner: str) -> bytes:
    """Return a whole HTML page; `inner` is HTML already."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>{inner}</body></html>\n"
    ).encode()


def _navigation(vendor: str) -> str:
    return f'<header><nav><a href="./">{escape(vendor)}</a> · <a href="/">All vendors</a></nav></header>'


def _plain(html: str) -> str:
    return f'<main class="policy">\n{html}</main>'


def _in_sections(html: str) -> str:
    first, *sections = re.split(r"(?=<h2>)", html)
    wrapped = "".join(f'<section class="clause">\n  {section}</section>\n' for section in sections)
    return f"<main><article>\n{first}{wrapped}</article></main>"


def _with_attributes(html: str) -> str:
    html = re.sub(r"<(p|h2|td|li)>", r'<\1 class="text text--\1" data-block>', html)
    html = re.sub(r'href="([^"]*)"', r'href="\1?from=policy"', html)
    return f'<main id="content" role="main">\n<div class="wrap"><div>{html}</div></div></main>'


_HTML_DRESSES: tuple[Callable[[str], str], ...] = (_plain, _in_sections, _with_attributes)


def _closed(words: str) -> str:
    """Headings closed by marks of their own, paragraphs broken at 72 columns."""
    words = re.sub(r"(?m)^(#+) (.+)$", r"\1 \2 \1", words)
    return "\n\n".join(_rewrapped(block) for block in words.strip().split("\n\n")) + "\n"


def _rewrapped(block: str) -> str:
    """Break a paragraph; headings, lists and tables are lines as they are."""
    if block.startswith(("#", "|", "*")):
        return block
    return textwrap.fill(block, 72, break_long_words=False, break_on_hyphens=False)


def _underlined(words: str) -> str:
    """Headings underlined, lists with dashes."""
    for mark, line in (("#", "="), ("##", "-")):
        words = re.sub(rf"(?m)^{mark} (.+)$", rf"\1\n{line * 8}", words)
    return re.sub(r"(?m)^\* ", "-   ", words)


_MARKDOWN_DRESSES: tuple[Callable[[str], str], ...] = (str, _closed, _underlined)
