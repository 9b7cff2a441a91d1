"""HTML as blocks of words.

Promises: keeps every word that a reader of the page sees, in reading order, and the headings above it; a short line
that is all bold or all capitals names a section, as policies often do it. Drops what `chrome` knows to be the site's or
hidden; what only a stylesheet or `aria-hidden` hides stays: collapsed clauses bind too. Refuses markup that is nested
to exhaust the parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from redline.monitoring.pipeline.chrome import SCOPES, is_chrome
from redline.monitoring.pipeline.document import CELL_SEPARATOR, SECTION_SEPARATOR, Block, normalise
from redline.monitoring.pipeline.errors import FetchError

_BLOCK_TAGS = frozenset(
    """address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure
    footer form h1 h2 h3 h4 h5 h6 header hr html legend li main menu ol p pre section summary table tbody td tfoot th
    thead tr ul""".split()
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BOLD = frozenset({"b", "strong"})
_BLANK_LINE = re.compile(r"\n\s*\n")
# The parser's work grows with the square of the depth: 20,000 nested elements took 0.5 s, 300,000 (1.5 MB) minutes.
_DEEPEST = 10_000
_NESTING_TAG = re.compile(
    r"<(/?)(?!(?:area|base|br|col|colgroup|dd|dt|embed|hr|img|input|li|link|meta|option|p|param|source|tbody|td|tfoot"
    r"|th|thead|tr|track|wbr)[\s/>])[a-z]",
    re.IGNORECASE,
)
_LINE_NAME_LEVEL = 7
_LONGEST_LINE_NAME = 10


def blocks(html: str) -> tuple[Block, ...]:
    """The page's blocks in reading order. Raises `FetchError` for a page that only means to keep the parser busy."""
    if _depth(html) > _DEEPEST:
        raise FetchError("the page's markup is nested too deeply")
    root = LexborHTMLParser(html).root
    if root is None:
        return ()
    reader = _Reader(
        content=_ancestors(root, "h1, main, article"), layout=_ancestors(root, "table, h1, h2, h3, h4, h5, h6")
    )
    # A stack of our own: a hostile page nests deeper than Python recurses.
    stack: list[tuple[LexborNode, bool]] = [(root, False)]
    while stack:
        node, leaving = stack.pop()
        if leaving:
            reader.leave(node)
        elif node.is_text_node:
            reader.text(node.text_content or "")
        elif node.is_element_node and not reader.drops(node):
            reader.enter(node)
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(list(_children(node))))
    reader.flush()
    return tuple(reader.blocks)


def _depth(html: str) -> int:
    """How deep elements nest at most, counting what need not be closed as not nesting."""
    depth = deepest = 0
    for tag in _NESTING_TAG.finditer(html):
        depth += -1 if tag[1] else 1
        deepest = max(deepest, depth)
    return deepest


def _ancestors(root: LexborNode, selector: str) -> frozenset[int]:
    """What stands above any match. One climb for all: a query per element is quadratic on a deeply nested page."""
    above: set[int] = set()
    for match in root.css(selector):
        node = match.parent
        while node is not None and node.mem_id not in above:
            above.add(node.mem_id)
            node = node.parent
    return frozenset(above)


def _children(node: LexborNode) -> Iterator[LexborNode]:
    child = node.child
    while child is not None:
        yield child
        child = child.next


class _Reader:
    """Collects text between block borders. `content`: what stands above content; `layout`: above tables, headings."""

    def __init__(self, *, content: frozenset[int], layout: frozenset[int]) -> None:
        self._content = content
        self._layout = layout
        self.blocks: list[Block] = []
        self._pieces: list[tuple[str, bool]] = []  # text, and whether it is bold
        self._headings: list[tuple[int, str]] = []
        self._scopes = self._bold = self._preformatted = self._breaks = 0
        self._row: LexborNode | None = None

    def drops(self, node: LexborNode) -> bool:
        return is_chrome(node, inside_content=bool(self._scopes) or node.mem_id in self._content)

    def enter(self, node: LexborNode) -> None:
        tag = node.tag or ""
        self._count(tag, +1)
        if tag == "tr" and self._row is None and node.mem_id not in self._layout:
            self.flush()
            self._row = node
        elif tag in ("td", "th") and self._row is not None:
            self._separate_cell()
        elif tag in _BLOCK_TAGS:
            self.flush()
        elif tag == "br":
            self._break()
        elif tag == "img":
            self.text(node.attributes.get("alt") or "")

    def leave(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if self._row is not None and node.mem_id == self._row.mem_id:
            self._row = None
        if tag in _HEADINGS:
            self._heading(_HEADINGS[tag])
        elif tag in _BLOCK_TAGS:
            self.flush(names_section=tag in ("p", "div", "dt"))
        self._count(tag, -1)

    def text(self, text: str) -> None:
        self._breaks = self._breaks if text.isspace() else 0
        parts = _BLANK_LINE.split(text) if self._preformatted else [text]
        for number, part in enumerate(parts):
            if number:
                self.flush(names_section=True)
            self._pieces.append((part, bool(self._bold)))

    def flush(self, *, names_section: bool = False) -> None:
        """End a block, unless inside a table row, where a border is only a space."""
        if self._row is not None:
            self._pieces.append((" ", True))
            return
        text, bold = self._taken()
        if not text:
            return
        if names_section and _names_section(text, bold=bold):
            self._push_heading(_LINE_NAME_LEVEL, text)
        self.blocks.append(Block(section=self._section(), text=text))

    def _heading(self, level: int) -> None:
        if self._row is not None:
            return self.flush()
        text, _ = self._taken()
        if text:
            self._push_heading(level, text)
            self.blocks.append(Block(section=self._section(), text=text))
        return None

    def _push_heading(self, level: int, text: str) -> None:
        self._headings = [entry for entry in self._headings if entry[0] < level]
        self._headings.append((level, text.rstrip(":")))

    def _section(self) -> str:
        """The headings from the outermost in; the page's title only where it stands alone."""
        path = self._headings
        if len(path) > 1 and path[0][0] == 1:
            path = path[1:]
        return SECTION_SEPARATOR.join(text for _, text in path)

    def _taken(self) -> tuple[str, bool]:
        pieces, self._pieces, self._breaks = self._pieces, [], 0
        bold = all(bold for text, bold in pieces if text.strip())
        return normalise("".join(text for text, _ in pieces)), bold

    def _separate_cell(self) -> None:
        if any(text.strip() for text, _ in self._pieces):
            self._pieces.append((CELL_SEPARATOR, True))

    def _break(self) -> None:
        """One line break is a space; two in a row end a paragraph."""
        self._breaks += 1
        if self._breaks > 1:
            self.flush(names_section=True)
        else:
            self._pieces.append(("\n", True))

    def _count(self, tag: str, step: int) -> None:
        self._scopes += step * (tag in SCOPES)
        self._bold += step * (tag in _BOLD)
        self._preformatted += step * (tag == "pre")


def _names_section(text: str, *, bold: bool) -> bool:
    if len(text.split()) > _LONGEST_LINE_NAME or text[-1] in ".,;?!":
        return False
    return bold or (text.isupper() and any(len(word) > 3 for word in text.split()))
