from __future__ import annotations

from streaming.core.condensation import EVERYTHING_IS_TOLD, Condensation
from tests.streaming.core.test_entry import entry

NOBODY: frozenset[str] = frozenset()


def test_the_newest_stands_for_those_before_it_and_what_comes_later_is_news() -> None:
    condensation = Condensation({("piece.moved", "k", NOBODY, NOBODY): 42})
    assert [condensation.leaves_out(entry(number)) for number in (1, 41, 42, 43)] == [True, True, False, False]
    assert [condensation.is_snapshot(entry(number)) for number in (41, 42, 43)] == [False, True, False]


def test_others_are_told_as_they_are() -> None:
    others = {
        ("piece.moved", "other", NOBODY, NOBODY): 42,
        ("other", "k", NOBODY, NOBODY): 42,
        ("piece.moved", "k", frozenset({"p"}), NOBODY): 42,
        ("piece.moved", "k", NOBODY, frozenset({"a"})): 42,
    }
    for condensation in (EVERYTHING_IS_TOLD, Condensation(others)):
        assert not condensation.leaves_out(entry(1))
        assert not condensation.is_snapshot(entry(42))


def test_no_two_are_equal_so_that_nobody_gets_anothers_bytes() -> None:
    assert Condensation({}) != Condensation({})
