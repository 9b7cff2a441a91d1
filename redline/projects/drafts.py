"""Texts against each other: what a draft changes, and how it is carried over to a text that has moved on. Pure.

Differences are exact to the character: `equal` and `insert` together are the new text, `equal` and `delete` the old.
Carrying over is by sentences and as exact: what somebody else has changed too is shown, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from diff_match_patch import diff_match_patch

Op = Literal["equal", "insert", "delete"]
Steps = list[tuple[Op, str]]
OPS: dict[int, Op] = {0: "equal", 1: "insert", -1: "delete"}
SECONDS = 0.3
"""The most that a difference takes; what is not alike at all then comes out as one deletion and one insertion."""
MOST_STEPS = 2_000
"""A difference of more is not made any more readable."""
MOST_SENTENCES = 2_000
"""What a merge takes, of both sides: it has no time limit, because half an answer would throw work away."""
WORDS = re.compile(r"\w+|\s+|([^\w\s])\1*")
BETWEEN_SENTENCES = re.compile(r"((?<=[.!?;:])\s+|\n+)")


class TooLong(ValueError):
    """These texts have too many sentences to be merged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A draft on top of another text, and the steps of it that found no place there."""

    text: str
    rejected: tuple[Steps, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hunk:
    """What stands in place of the pieces from `start` up to `stop`."""

    start: int
    stop: int
    pieces: tuple[str, ...]

    def excludes(self, other: _Hunk) -> bool:
        if self.start < self.stop and other.start < other.stop:
            return self.start < other.stop and other.start < self.stop
        # At the edge of a change nobody can tell which comes first.
        return self.start <= other.stop and other.start <= self.stop


def difference(before: str, after: str) -> Steps:
    """Return the steps from one text to the other, in their order, by words."""
    return [(OPS[step], "".join(pieces)) for step, pieces in _steps(_words(before), _words(after), tidy=True)]


def merge(base: str, draft: str, onto: str) -> Merge:
    """Do to `onto` what `draft` does to `base`, as far as the two touch different sentences; raises `TooLong`."""
    pieces = _pieces(base)
    if len(pieces) + max(len(_pieces(draft)), len(_pieces(onto))) > MOST_SENTENCES:
        raise TooLong(TooLong.__doc__)
    theirs = _hunks(pieces, _pieces(onto))
    mine = [hunk for hunk in _hunks(pieces, _pieces(draft)) if hunk not in theirs]
    lost = [hunk for hunk in mine if any(hunk.excludes(other) for other in theirs)]
    kept = [hunk for hunk in mine if hunk not in lost]
    return Merge(
        text=_with(pieces, sorted((*theirs, *kept), key=lambda hunk: (hunk.start, hunk.stop))),
        rejected=tuple(difference("".join(pieces[one.start : one.stop]), "".join(one.pieces)) for one in lost),
    )


class _Differ(diff_match_patch):  # type: ignore[misc]
    def diff_halfMatch(self, text1: str, text2: str) -> None:  # noqa: N802 - the library's name
        """Guess nothing: the search for a long common part heeds no time limit, and repeated words make it endless."""


def _words(text: str) -> list[str]:
    return [match[0] for match in WORDS.finditer(text)]


def _pieces(text: str) -> list[str]:
    """Cut into sentences and what stands between them."""
    return [piece for piece in BETWEEN_SENTENCES.split(text) if piece]


def _hunks(before: Sequence[str], after: Sequence[str]) -> list[_Hunk]:
    """Return what stands in place of what, as few stretches as possible."""
    hunks: list[_Hunk] = []
    position = 0
    for step, pieces in _steps(before, after):
        if step > 0:
            hunks.append(_Hunk(start=position, stop=position, pieces=tuple(pieces)))
        elif step < 0:
            hunks.append(_Hunk(start=position, stop=position + len(pieces), pieces=()))
        position += len(pieces) * (step <= 0)
    return list(_joined(hunks))


def _joined(hunks: Iterable[_Hunk]) -> Iterator[_Hunk]:
    """Yield what is deleted and what is inserted at one place as one."""
    last: _Hunk | None = None
    for hunk in hunks:
        if last is not None and last.stop == hunk.start:
            last = _Hunk(start=last.start, stop=hunk.stop, pieces=last.pieces + hunk.pieces)
            continue
        if last is not None:
            yield last
        last = hunk
    if last is not None:
        yield last


def _steps(before: Sequence[str], after: Sequence[str], *, tidy: bool = False) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield -1, 0 or 1 with the pieces that go, stay or come; `tidy` joins what is only torn apart by a word or two."""
    codes: dict[str, str] = {}

    def encoded(pieces: Sequence[str]) -> str:
        # From the supplementary planes: a million codes and no surrogates, and a body cannot hold as many words.
        return "".join(codes.setdefault(piece, chr(0x10000 + len(codes))) for piece in pieces)

    differ = _Differ()
    differ.Diff_Timeout = SECONDS if tidy else 0
    diffs = differ.diff_main(encoded(before), encoded(after), False)
    if tidy and len(diffs) <= MOST_STEPS:
        differ.diff_cleanupSemantic(diffs)
    left = right = 0
    for step, chars in diffs:
        count = len(chars)
        yield step, after[right : right + count] if step > 0 else before[left : left + count]
        left += count * (step <= 0)
        right += count * (step >= 0)


def _with(pieces: Sequence[str], hunks: Sequence[_Hunk]) -> str:
    """Return the text with the hunks done to it, which are in order and do not touch."""
    made: list[str] = []
    position = 0
    for hunk in hunks:
        made += (*pieces[position : hunk.start], *hunk.pieces)
        position = hunk.stop
    return "".join((*made, *pieces[position:]))
