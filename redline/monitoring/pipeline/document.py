"""A page's words, in order: what is left of it when spacing, markup and link targets are gone.

Promises: two renderings of the same words give equal texts. `words` is the finer measure that comparison uses: it
also sees through typographers (curly quotes, dashes), ligatures, a space between a number and its unit, and the bar
that a table row is shown with. Dates, numbers and case stay: they are words, and changed words are a change.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

SECTION_SEPARATOR = " › "
CELL_SEPARATOR = " | "

# Soft hyphen, zero-width space, word joiner, byte order mark, directional marks.
_INVISIBLE = re.compile("[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
# The joiners spell words in Arabic and Indic scripts and bind emoji; anywhere else they are invisible noise.
_STRAY_JOINER = re.compile("(?<![\u0590-\u0dff\u1780-\u18af\ufe0f\U0001f000-\U0001ffff])[\u200c\u200d]")

# Han and kana are written without spaces: each character counts as a word of its own.
_TOKEN = re.compile(
    r"""(?P<space>\s*)(?P<token>
        \d+(?:[.,:]\d+)*
      | [\u3040-\u30ff\u3400-\u9fff]
      | [^\W\d_\u3040-\u30ff\u3400-\u9fff]+(?:['’\-‐‑][^\W\d_\u3040-\u30ff\u3400-\u9fff]+)*
      | \S
    )""",
    re.VERBOSE,
)
_TYPOGRAPHY = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "‚": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "‐": "-",
        "‑": "-",
        "–": "-",
        "—": "-",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One paragraph, heading, list item or table row, and the headings above it."""

    section: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The blocks of a page in reading order."""

    blocks: tuple[Block, ...]

    @property
    def text(self) -> str:
        return "\n".join(block.text for block in self.blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One word, number or mark: as it stands, with the space before it, and as it is compared."""

    shown: str
    word: str


def normalise(text: str) -> str:
    """One line of visible characters, single spaces."""
    text = _STRAY_JOINER.sub("", _INVISIBLE.sub("", unicodedata.normalize("NFC", text)))
    return " ".join(text.split())


def tokens(text: str) -> tuple[Token, ...]:
    """The text cut into words. Their `shown`, joined, is the text again."""
    return tuple(Token(shown=match[0], word=_compared(match["token"])) for match in _TOKEN.finditer(text))


def words(text: str) -> tuple[str, ...]:
    """What is compared of the text."""
    return tuple(token.word for token in tokens(text) if token.word != "|")


def _compared(token: str) -> str:
    if token.isascii():
        return token
    return unicodedata.normalize("NFKC", token.translate(_TYPOGRAPHY))
