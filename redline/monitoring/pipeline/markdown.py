"""Markdown and plain text as HTML, so that there is one road from markup to words.

Plain text takes the same road: its paragraphs, bullets, underlined titles and indents mean the same in both, and a page
that moves from `.txt` to `.md` has not changed its words. Promises: an angle bracket that opens no HTML element
(`<year>`, `<mail@example.org>`) stays text. Refuses nothing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\A---\n(.*?\n)(?:---|\.\.\.)\n", re.DOTALL)
_TAG = re.compile(r"<(?=/?([A-Za-z][A-Za-z0-9-]*))")
_ELEMENTS = frozenset(
    """a abbr address article aside audio b bdi bdo big blockquote body br button caption center cite code col colgroup
    data dd del details dfn dialog div dl dt em fieldset figcaption figure font footer form h1 h2 h3 h4 h5 h6 head
    header hgroup hr html i iframe img input ins kbd label legend li link main map mark menu meta meter nav noscript
    object ol optgroup option output p param picture pre progress q rp rt ruby s samp script section select small
    source span strike strong style sub summary sup svg table tbody td template textarea tfoot th thead time title tr
    track tt u ul var video wbr""".split()
)


def to_html(text: str) -> str:
    """Render CommonMark with tables; indents do not make code blocks, because spacing alone must not matter."""
    lines = [line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return str(_PARSER.render(_FRONT_MATTER.sub(_as_paragraphs, "\n".join(lines))))


def _as_paragraphs(front_matter: re.Match[str]) -> str:
    """Title and description are words of the page; the fence around them is not."""
    return front_matter[1].replace("\n", "\n\n")


def _html_token(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    return _TAG.sub(lambda tag: tag[0] if tag[1].lower() in _ELEMENTS else html.escape(tag[0]), tokens[index].content)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).disable("code")
    for rule in ("html_inline", "html_block"):
        parser.add_render_rule(rule, _html_token)
    return parser


_PARSER = _parser()
