from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.cursor import ORIGIN_FINGERPRINT, Cursor, Head, ResetReason

SEED = 20_261_120
cursors = st.builds(
    Cursor,
    st.from_regex(r"\A[0-9a-z]{1,16}\Z"),
    st.integers(1, 10**18 - 1),
    st.from_regex(r"\A[0-9a-f]{8}\Z"),
)


def head(sequence: int = 41, *, floor: int = 0) -> Head:
    return Head(epoch="7f3a", sequence=sequence, fingerprint="9c02e1aa", floor=floor)


@given(cursors)
def test_what_is_written_is_read_back(cursor: Cursor) -> None:
    text = str(cursor)
    assert Cursor.parse(text) == cursor
    assert len(text) <= 64
    assert text.isascii()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "7f3a",
        "7f3a.41",
        "7f3a.41.9c02e1aa.",
        "7f3a.41.9c02e1aa\n",
        "\n7f3a.41.9c02e1aa",
        "7f3a.41.9C02E1AA",
        "7F3A.41.9c02e1aa",
        "7f3a.-1.9c02e1aa",
        "7f3a.+1.9c02e1aa",
        "7f3a.041.9c02e1aa",
        "7f3a.4١.9c02e1aa",
        "7f3a.1000000000000000000.9c02e1aa",
        "7f3a.41.9c02e1a",
        "7f3a.41.9c02e1aag",
        ".41.9c02e1aa",
        "0123456789abcdef0.41.9c02e1aa",
        "7f3a.0.9c02e1aa",
        "7f3a.41.9c02e1aa\0",
        "\ud800",
    ],
)
def test_what_no_server_has_written_is_no_cursor(text: str) -> None:
    assert Cursor.parse(text) is None


def test_an_empty_log_has_a_cursor() -> None:
    assert Cursor.parse(f"7f3a.0.{ORIGIN_FINGERPRINT}") == Cursor("7f3a", 0, ORIGIN_FINGERPRINT)


def test_100_000_random_texts_never_raise_and_never_change_meaning() -> None:
    rng = random.Random(SEED)
    alphabet = "0123456789abcdefxyz....\n\0 -+AF٣é\u2028\ud800"
    accepted = 0
    for _ in range(100_000):
        if rng.random() < 0.5:
            text = "".join(rng.choices(alphabet, k=rng.randrange(30)))
        else:
            text = f"{rng.getrandbits(32):x}.{rng.getrandbits(rng.randrange(1, 62))}.{rng.getrandbits(32):08x}"
            place = rng.randrange(len(text))
            text = text[:place] + rng.choice(["", rng.choice(alphabet)]) + text[place + rng.randrange(2) :]
        cursor = Cursor.parse(text)
        if cursor is not None:
            accepted += 1
            assert str(cursor) == text, f"seed {SEED}"
            assert Cursor.parse(str(cursor)) == cursor
    assert 10_000 < accepted < 60_000, "the texts must be of both kinds"


def test_a_head_is_a_cursor() -> None:
    assert str(head().cursor) == "7f3a.41.9c02e1aa"


def test_a_cursor_within_the_log_resumes() -> None:
    assert head().judge(Cursor("7f3a", 40, "aaaaaaaa"), found="aaaaaaaa", reach=10) is None


def test_the_head_itself_resumes_without_a_look_into_the_log() -> None:
    assert head().judge(head().cursor, found=None, reach=0) is None


def test_the_start_resumes_while_nothing_was_trimmed() -> None:
    origin = Cursor("7f3a", 0, ORIGIN_FINGERPRINT)
    assert head().judge(origin, found=None, reach=41) is None
    assert head(floor=1).judge(origin, found=None, reach=41) is ResetReason.TRUNCATED
    assert head(floor=2).judge(origin, found=None, reach=41) is ResetReason.TRUNCATED


def test_the_oldest_that_is_kept_resumes_and_the_one_before_does_not() -> None:
    assert head(floor=30).judge(Cursor("7f3a", 30, "aaaaaaaa"), found="aaaaaaaa", reach=99) is None
    before = Cursor("7f3a", 29, "aaaaaaaa")
    assert head(floor=30).judge(before, found="aaaaaaaa", reach=99) is ResetReason.TRUNCATED


def test_as_far_behind_as_allowed_resumes_and_one_more_does_not() -> None:
    cursor = Cursor("7f3a", 31, "aaaaaaaa")
    assert head().judge(cursor, found="aaaaaaaa", reach=10) is None
    assert head().judge(cursor, found="aaaaaaaa", reach=9) is ResetReason.TRUNCATED


@pytest.mark.parametrize("found", [None, "bbbbbbbb", ORIGIN_FINGERPRINT])
def test_another_fingerprint_at_the_position_is_unknown(found: str | None) -> None:
    assert head().judge(Cursor("7f3a", 40, "aaaaaaaa"), found=found, reach=99) is ResetReason.UNKNOWN


def test_the_head_of_a_restored_log_is_unknown_whatever_the_log_says() -> None:
    assert head().judge(Cursor("7f3a", 41, "aaaaaaaa"), found="aaaaaaaa", reach=99) is ResetReason.UNKNOWN


def test_the_reasons_are_given_in_the_order_of_the_contract() -> None:
    assert list(ResetReason) == [
        ResetReason.EPOCH,
        ResetReason.AHEAD,
        ResetReason.TRUNCATED,
        ResetReason.UNKNOWN,
    ]
    log = head(floor=30)
    for foreign, place, unknown in itertools.product([True, False], ["ahead", "truncated", "kept"], [True, False]):
        sequence = {"ahead": 42, "truncated": 29, "kept": 35}[place]
        cursor = Cursor("beef" if foreign else "7f3a", sequence, "aaaaaaaa")
        reasons = [
            *([ResetReason.EPOCH] if foreign else []),
            *([ResetReason(place)] if place != "kept" else []),
            *([ResetReason.UNKNOWN] if unknown else []),
        ]
        told = log.judge(cursor, found="bbbbbbbb" if unknown else "aaaaaaaa", reach=99)
        assert told is (reasons[0] if reasons else None)
