from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.projects.drafts import TooLong, difference, merge

texts = st.text(alphabet="ab \nc", max_size=60) | st.text(max_size=40)


@given(texts, texts)
def test_a_difference_is_exact_to_the_character_both_ways(before: str, after: str) -> None:
    steps = difference(before, after)
    assert "".join(text for op, text in steps if op != "delete") == after
    assert "".join(text for op, text in steps if op != "insert") == before
    assert all(text for _, text in steps)


def test_what_is_unlike_altogether_takes_no_longer_than_it_may() -> None:
    pairs = [
        ("-" * 60_000, "x" + "-" * 40_000 + "y"),
        ("na " * 20_000, "x" + "na " * 15_000 + "y"),
        ("".join(f"{n * n % 90} " for n in range(20_000)), "".join(f"{n % 89} " for n in range(20_000))),
    ]
    for before, after in pairs:
        begun = time.monotonic()
        steps = difference(before, after)
        assert time.monotonic() - begun < 5
        assert "".join(text for op, text in steps if op != "delete") == after


def test_what_has_too_many_sentences_is_not_merged_by_halves() -> None:
    many = "One. " * 1_500
    with pytest.raises(TooLong):
        merge(many, many + "Two.", many)


BASE = "The vendor keeps data for ninety days.\n\nIt tells the customer within two days.\n\nIt pays for delays.\n"


def test_changes_of_different_places_are_both_kept() -> None:
    mine = BASE.replace("ninety days", "thirty days")
    theirs = BASE.replace("pays for delays", "pays twice for delays")
    merged = merge(BASE, mine, theirs)
    assert merged.text == mine.replace("pays for delays", "pays twice for delays")
    assert merged.rejected == ()


def test_a_change_of_what_is_no_longer_there_is_shown_and_not_applied() -> None:
    mine = BASE.replace("It tells the customer within two days.", "It tells the customer within two hours.")
    theirs = BASE.replace("It tells the customer within two days.\n\n", "")
    merged = merge(BASE, mine, theirs)
    assert merged.text == theirs
    (rejected,) = merged.rejected
    assert ("insert", "hours") in rejected


@given(texts, texts)
def test_a_draft_on_top_of_its_own_base_is_itself(base: str, draft: str) -> None:
    merged = merge(base, draft, base)
    assert (merged.text, merged.rejected) == (draft, ())


@given(texts, texts)
def test_an_unchanged_draft_gives_way_to_everything(base: str, onto: str) -> None:
    merged = merge(base, base, onto)
    assert (merged.text, merged.rejected) == (onto, ())


def test_two_who_change_one_sentence_are_shown_to_each_other_and_not_mixed() -> None:
    mine, theirs = BASE.replace("ninety", "thirty"), BASE.replace("keeps", "stores")
    merged = merge(BASE, mine, theirs)
    assert merged.text == theirs
    assert len(merged.rejected) == 1


def test_the_same_change_by_both_is_done_once() -> None:
    both = BASE.replace("ninety", "thirty")
    assert merge(BASE, both, both).text == both


def test_two_who_add_at_one_place_do_not_decide_whose_comes_first() -> None:
    merged = merge(BASE, BASE + "Mine.", BASE + "Theirs.")
    assert merged.text == BASE + "Theirs."
    assert merged.rejected == ([("insert", "Mine.")],)


@given(st.lists(st.sampled_from(["keep", "mine", "theirs"]), min_size=1, max_size=12))
def test_whatever_is_changed_by_one_of_them_alone_is_kept(who: list[str]) -> None:
    def text(*changed: str) -> str:
        return " ".join(f"Sentence {n} {'changed' if one in changed else 'stands'}." for n, one in enumerate(who))

    merged = merge(text(), text("mine"), text("theirs"))
    assert (merged.text, merged.rejected) == (text("mine", "theirs"), ())
