"""What writers did and what readers saw, and the checker that holds the one against the other.

It speaks Jepsen's words: `lost`, `aborted-read`, `duplicate`, `skip`, `nonmonotonic`, `inconsistent-seq`, `cross-org`,
and `misordered` for two changes of one row that were read in another order than they were written in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One event as its writer knows it; `row` and `turn` where it announces a change of a row."""

    key: str
    org: str
    row: str = ""
    turn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One event as a reader got it, in the order of reading."""

    key: str
    sequence: int


@dataclass(slots=True)
class History:
    committed: list[Written] = field(default_factory=list)
    aborted: list[Written] = field(default_factory=list)


def check(
    history: History, read: Mapping[str, Sequence[Read]], *, before: Iterable[Mapping[str, Sequence[Read]]] = ()
) -> Counter[str]:
    """Return how often each anomaly occurs in what one reader saw, by org; `before` is what other readers saw."""
    found: Counter[str] = Counter()
    committed = {one.key: one for one in history.committed}
    aborted = {one.key for one in history.aborted}
    seen: set[str] = set()
    for org, readings in read.items():
        found += _order(readings) + _rows(readings, committed)
        for one in readings:
            found["duplicate"] += one.key in seen
            found["aborted-read"] += one.key in aborted
            found["cross-org"] += one.key in committed and committed[one.key].org != org
            seen.add(one.key)
    found["lost"] = len(committed.keys() - seen)
    for other in before:
        found["inconsistent-seq"] += _differing(read, other)
    return +found


def _order(readings: Sequence[Read]) -> Counter[str]:
    found: Counter[str] = Counter()
    last = 0
    for one in readings:
        found["nonmonotonic"] += one.sequence <= last
        found["skip"] += one.sequence > last + 1
        last = one.sequence
    return found


def _rows(readings: Sequence[Read], committed: Mapping[str, Written]) -> Counter[str]:
    turns: dict[str, int] = {}
    found: Counter[str] = Counter()
    for one in readings:
        written = committed.get(one.key)
        if written is not None and written.row:
            found["misordered"] += written.turn <= turns.get(written.row, 0)
            turns[written.row] = written.turn
    return found


def _differing(one: Mapping[str, Sequence[Read]], other: Mapping[str, Sequence[Read]]) -> int:
    def positions(read: Mapping[str, Sequence[Read]]) -> dict[tuple[str, int], str]:
        return {(org, each.sequence): each.key for org, readings in read.items() for each in readings}

    first, second = positions(one), positions(other)
    return sum(first[place] != second[place] for place in first.keys() & second.keys())
