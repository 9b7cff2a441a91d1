from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streaming.core.errors import ConfigurationError
from streaming.core.event import Announcement, Event, Instant, iso_instant


class Moved(Event, type="piece.moved"):
    piece_id: str
    from_square: str | None = None
    at: Instant | None = None


class Placed(Event, type="piece.placed", nulls=True):
    piece_id: str
    from_square: str | None = None


def test_a_payload_is_camel_case_without_what_is_none() -> None:
    assert Moved(piece_id="k").payload() == b'{"pieceId":"k"}'


def test_a_feed_that_promises_all_keys_gets_them() -> None:
    assert Placed(piece_id="k").payload() == b'{"pieceId":"k","fromSquare":null}'


def test_nulls_are_inherited() -> None:
    class Promoted(Placed, type="piece.promoted"):
        pass

    assert Promoted.event_type == "piece.promoted"
    assert Promoted(piece_id="k").payload() == b'{"pieceId":"k","fromSquare":null}'


def test_a_subclass_without_a_type_keeps_the_one_that_it_has() -> None:
    class Refined(Moved):
        pass

    assert Refined.event_type == "piece.moved"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Moved(piece_id=5),  # type: ignore[arg-type]
        lambda: Moved(piece_id="k", colour="white"),  # type: ignore[call-arg]
        lambda: Moved(piece_id="k", at=datetime(2026, 1, 1)),  # noqa: DTZ001 - a naive time is what is refused
        lambda: Moved.read('{"piece_id":"k"}'),
        lambda: Moved.read('{"pieceId":"k","pieceid":"k"}'),
        lambda: Moved.read("[]"),
        lambda: Moved.read(b"\xff"),
    ],
)
def test_what_is_not_declared_is_refused_when_the_event_is_made(make: Callable[[], Event]) -> None:
    with pytest.raises(ValidationError):
        make()


def test_an_event_cannot_be_changed() -> None:
    moved = Moved(piece_id="k")
    with pytest.raises(ValidationError):
        moved.piece_id = "q"  # type: ignore[misc]


@given(st.text(), st.none() | st.text())
def test_a_payload_is_read_back_as_the_same_event(piece: str, square: str | None) -> None:
    moved = Moved(piece_id=piece, from_square=square)
    assert Moved.read(moved.payload()) == moved


def test_half_a_character_is_refused_and_never_sent() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        Moved(piece_id="k\ud800").payload()


@pytest.mark.parametrize("type_", ["stream.open", "stream.x", "heartbeat", "1a", "a b", "a\n", "é", "a" * 61])
def test_a_type_that_the_protocol_needs_or_cannot_carry_is_refused(type_: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be an event's type"):

        class Bad(Event, type=type_):
            pass


def test_an_instant_goes_out_in_utc_with_milliseconds() -> None:
    at = datetime(2026, 3, 1, 1, 30, 0, 123_999, tzinfo=timezone(timedelta(hours=2)))
    assert iso_instant(at) == "2026-02-28T23:30:00.123Z"
    assert Moved(piece_id="k", at=at).payload() == b'{"pieceId":"k","at":"2026-02-28T23:30:00.123Z"}'


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_an_instant_that_has_no_utc_is_refused_when_the_event_is_made(text: str) -> None:
    with pytest.raises(ValidationError):
        Moved.read(f'{{"pieceId":"k","at":"{text}"}}')


@given(st.datetimes(timezones=st.just(UTC)))
def test_any_instant_is_read_back_to_the_millisecond(at: datetime) -> None:
    read = Moved.read(Moved(piece_id="k", at=at).payload()).at
    assert read == at.replace(microsecond=at.microsecond // 1000 * 1000)


def test_an_announcement_is_an_event_with_its_columns() -> None:
    one = Moved(piece_id="k").about("k", keys=["a", "b", "a"], audience=("u",))
    assert (one.type, one.resource, one.keys, one.audience) == (
        "piece.moved",
        "k",
        frozenset({"a", "b"}),
        frozenset({"u"}),
    )


def test_a_plain_event_becomes_an_announcement_and_an_announcement_stays_what_it_is() -> None:
    event = Moved(piece_id="k")
    announcement = event.about("k")
    assert Announcement.of(announcement, resource="other") is announcement
    assert Announcement.of(event, resource="r") == Announcement(event=event, resource="r")
    assert Announcement.of(event).resource == ""
