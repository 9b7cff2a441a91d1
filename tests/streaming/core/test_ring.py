from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from streaming.core.cursor import ORIGIN_FINGERPRINT, Cursor, Head
from streaming.core.entry import Batch, Entry
from streaming.core.ring import Offer, Ring

AT = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = "7f3a"
SEED = 48_151


def entry(sequence: int, *, branch: str = "a", size: int = 10) -> Entry:
    return Entry(
        epoch=EPOCH,
        sequence=sequence,
        fingerprint=fingerprint(sequence, branch),
        type="t",
        resource="",
        keys=frozenset(),
        audience=frozenset(),
        data=b"x" * size,
        emitted_at=AT,
    )


def fingerprint(sequence: int, branch: str = "a") -> str:
    return f"{branch}{sequence:07x}" if sequence else ORIGIN_FINGERPRINT


def batch(first: int, last: int, *, branch: str = "a", after: str | None = None, epoch: str = EPOCH) -> Batch:
    return Batch(
        org="o",
        epoch=epoch,
        after=fingerprint(first - 1, branch) if after is None else after,
        entries=tuple(entry(sequence, branch=branch) for sequence in range(first, last + 1)),
    )


def ring(last: int = 0, **limits: int) -> Ring:
    """Return a ring that was filled from 1 to `last`."""
    made = Ring(Cursor(EPOCH, 0, ORIGIN_FINGERPRINT), **limits)
    if last:
        assert made.offer(batch(1, last)) is Offer.APPENDED
    return made


def sequences(entries: Sequence[Entry]) -> list[int]:
    return [one.sequence for one in entries]


def test_what_continues_the_window_is_appended() -> None:
    window = ring(3)
    assert window.offer(batch(4, 6)) is Offer.APPENDED
    assert (window.head, window.start, window.size) == (Cursor(EPOCH, 6, fingerprint(6)), 1, 60)
    assert sequences(window.slice(1, 6)) == [1, 2, 3, 4, 5, 6]


def test_an_empty_window_begins_behind_its_head() -> None:
    window = Ring(Cursor(EPOCH, 40, fingerprint(40)))
    assert (window.start, window.size) == (41, 0)
    assert sequences(window.slice(41, 50)) == []
    assert window.offer(batch(41, 41)) is Offer.APPENDED
    assert window.start == 41


def test_a_window_can_be_made_full() -> None:
    window = Ring(Cursor(EPOCH, 9, fingerprint(9)), [entry(8), entry(9)])
    assert (window.start, window.head.sequence) == (8, 9)


@pytest.mark.parametrize(("first", "last"), [(1, 1), (2, 3), (1, 3), (3, 3)])
def test_what_is_known_is_dropped(first: int, last: int) -> None:
    window = ring(3)
    assert window.offer(batch(first, last)) is Offer.KNOWN
    assert window.head.sequence == 3
    assert window.size == 30


def test_an_overlap_that_agrees_appends_only_the_news() -> None:
    window = ring(3)
    assert window.offer(batch(2, 5)) is Offer.APPENDED
    assert sequences(window.slice(1, 9)) == [1, 2, 3, 4, 5]


def test_a_gap_is_turned_away() -> None:
    window = ring(3)
    assert window.offer(batch(5, 6)) is Offer.GAP
    assert window.head.sequence == 3


@pytest.mark.parametrize(
    "offered",
    [
        batch(4, 5, epoch="beef"),
        batch(4, 5, after="ffffffff"),
        batch(4, 5, branch="b"),
        batch(3, 5, branch="b", after=fingerprint(2)),
        batch(1, 1, branch="b"),
        batch(5, 6, epoch="beef"),
    ],
)
def test_another_history_is_a_fork_and_changes_nothing(offered: Batch) -> None:
    window = ring(3)
    assert window.offer(offered) is Offer.FORKED
    assert window.head == Cursor(EPOCH, 3, fingerprint(3))
    assert sequences(window.slice(1, 9)) == [1, 2, 3]


def test_what_the_window_no_longer_knows_cannot_contradict_it() -> None:
    window = ring(10, max_entries=3)
    assert window.offer(batch(1, 2, branch="b")) is Offer.KNOWN


def test_the_window_keeps_no_more_entries_than_it_may() -> None:
    window = ring(10, max_entries=3)
    assert (window.start, window.size) == (8, 30)
    assert sequences(window.slice(8, 10)) == [8, 9, 10]


def test_the_window_keeps_no_more_bytes_than_it_may_but_always_the_newest() -> None:
    window = ring(10, max_bytes=35)
    assert sequences(window.slice(window.start, 10)) == [8, 9, 10]
    large = Batch(org="o", epoch=EPOCH, after=fingerprint(10), entries=(entry(11, size=99),))
    assert window.offer(large) is Offer.APPENDED
    assert (window.start, window.size) == (11, 99)


def test_what_has_left_the_window_cannot_be_sliced() -> None:
    with pytest.raises(LookupError, match="sequence 7 has left the window, which starts at 8"):
        ring(10, max_entries=3).slice(7, 9)


def test_a_slice_ends_where_it_was_told_to() -> None:
    assert sequences(ring(10).slice(3, 5)) == [3, 4, 5]
    assert sequences(ring(10).slice(11, 20)) == []


def test_fingerprints_are_known_within_the_window_and_at_its_head() -> None:
    window = ring(10, max_entries=3)
    assert [window.fingerprint_at(sequence) for sequence in (7, 8, 10, 11)] == [
        None,
        fingerprint(8),
        fingerprint(10),
        None,
    ]
    assert Ring(Cursor(EPOCH, 4, "aaaaaaaa")).fingerprint_at(4) == "aaaaaaaa"


@pytest.mark.parametrize(
    ("head", "reached", "foreign"),
    [
        (Head(epoch=EPOCH, sequence=10, fingerprint=fingerprint(10)), 10, False),
        (Head(epoch=EPOCH, sequence=12, fingerprint="ffffffff"), 10, False),
        (Head(epoch=EPOCH, sequence=9, fingerprint=fingerprint(9)), 9, False),
        (Head(epoch="beef", sequence=10, fingerprint=fingerprint(10)), 10, True),
        (Head(epoch=EPOCH, sequence=9, fingerprint=fingerprint(9)), 10, True),
        (Head(epoch=EPOCH, sequence=10, fingerprint="ffffffff"), 10, True),
        (Head(epoch=EPOCH, sequence=9, fingerprint="ffffffff"), 9, True),
    ],
)
def test_a_head_of_another_log_is_recognised(head: Head, reached: int, foreign: bool) -> None:
    assert ring(10).contradicts(head, reached=reached) is foreign


@pytest.mark.parametrize("seed", range(SEED, SEED + 40))
def test_random_offers_leave_exactly_what_a_plain_list_would(seed: int) -> None:
    """Hold the ring against a list of everything that one true log has offered so far."""
    rng = random.Random(seed)
    limits = {"max_entries": rng.randrange(1, 12), "max_bytes": rng.randrange(1, 150)}
    window = ring(**limits)
    held: list[Entry] = []
    head = 0
    for _ in range(300):
        first = max(1, head + rng.randrange(-8, 4))
        last = first + rng.randrange(5)
        branch = "b" if rng.random() < 0.15 else "a"
        epoch = "beef" if rng.random() < 0.05 else EPOCH
        offered = batch(first, last, branch=branch, epoch=epoch)
        expected = _expected(held, head, offered)
        assert window.offer(offered) is expected, f"seed {seed}"
        if expected is Offer.APPENDED:
            held = _kept([*held, *offered.entries[head + 1 - first :]], **limits)
            head = held[-1].sequence
        assert sequences(window.slice(window.start, head)) == sequences(held)
        assert window.size == sum(len(one.data) for one in held)
        assert window.head.sequence == head
        assert sequences(held) == list(range(head + 1 - len(held), head + 1)), "never a hole"


def _expected(held: list[Entry], head: int, offered: Batch) -> Offer:
    known = {one.sequence: one.fingerprint for one in held} | ({} if held else {head: ORIGIN_FINGERPRINT})
    told = {one.sequence: one.fingerprint for one in offered.entries}
    told[offered.entries[0].sequence - 1] = offered.after
    if offered.epoch != EPOCH:
        return Offer.FORKED
    if offered.entries[0].sequence > head + 1:
        return Offer.GAP
    if any(known.get(sequence, print_) != print_ for sequence, print_ in told.items()):
        return Offer.FORKED
    return Offer.APPENDED if offered.head > head else Offer.KNOWN


def _kept(entries: list[Entry], *, max_entries: int, max_bytes: int) -> list[Entry]:
    kept = entries[-max_entries:]
    while len(kept) > 1 and sum(len(one.data) for one in kept) > max_bytes:
        kept = kept[1:]
    return kept
