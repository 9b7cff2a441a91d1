"""Feeds with an envelope, and feeds whose replays leave out what a newer event makes void."""

from __future__ import annotations

import logging
from typing import Any

import orjson
import pytest
from asgiref.sync import sync_to_async

from streaming import log, opening
from streaming.core.envelope import Told
from streaming.core.event import iso_instant
from streaming.core.rights import Rights
from tests.streaming.asgi.world import Noted, Stated, Whispered, World

pytestmark = pytest.mark.any_database

LIMIT = 5
FOREIGN = "ffffffff.1.00000000"


def wrapped(told: Told) -> bytes:
    return orjson.dumps(
        {
            "topic": told.type,
            "resourceId": told.resource,
            "payload": orjson.Fragment(told.data),
            "sequence": told.sequence,
            "emittedAt": iso_instant(told.emitted_at),
            "kind": "snapshot" if told.is_snapshot else "event",
        }
    )


@pytest.fixture
def enveloped(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(world.feed.stream, "envelope", wrapped)
    monkeypatch.setattr(world.feed.stream, "condenses", True)
    world.configure(EVENT_STREAM_REPLAY_LIMIT=LIMIT)
    return world


def noted(number: int, resource: str, text: str = "") -> Any:
    return Noted(number=number, text=text).about(resource)


def said(told: list[Any]) -> list[tuple[str, str, int, str]]:
    events = [one.json for one in told if one.event.startswith("test.")]
    return [(one["kind"], one["resourceId"], one["payload"]["number"], one["topic"]) for one in events]


async def write(world: World, org: str, *announcements: Any) -> None:
    head = (await world.head(org)).sequence
    await world.emit(org, *announcements)
    await world.reached(org, head + len(announcements))


async def test_stream_poll_and_single_event_wear_the_same_envelope(enveloped: World) -> None:
    visitor = await enveloped.visitor()
    wire = await enveloped.open(visitor)
    await write(enveloped, visitor.org, noted(7, "doc"))
    event = await wire.next(event="test.noted")
    assert event.json | {"emittedAt": ""} == {
        "topic": "test.noted",
        "resourceId": "doc",
        "payload": {"number": 7, "text": ""},
        "sequence": 1,
        "emittedAt": "",
        "kind": "event",
    }
    polled = enveloped.wire("/test/stream/poll", visitor=visitor, query={"after": "0"})
    await polled.answered()
    assert [one["data"] for one in orjson.loads(polled.body)["events"]] == [event.json]
    whole = enveloped.wire("/test/events/1", visitor=visitor)
    await whole.answered()
    assert orjson.loads(whole.body)["data"] == event.json


async def test_a_large_event_is_thin_in_its_envelope_and_whole_when_asked_for(enveloped: World) -> None:
    visitor = await enveloped.visitor()
    wire = await enveloped.open(visitor)
    await write(enveloped, visitor.org, noted(7, "doc", text="x" * 70_000))
    thin = (await wire.next(event="test.noted")).json
    assert (thin["kind"], thin["resourceId"], "text" in thin["payload"]) == ("event", "doc", False)
    whole = enveloped.wire("/test/events/1", visitor=visitor)
    await whole.answered()
    assert orjson.loads(whole.body)["data"] == thin | {"payload": {"number": 7, "text": "x" * 70_000}}


async def test_the_state_after_a_reset_is_told_as_snapshots(enveloped: World) -> None:
    visitor = await enveloped.visitor()
    await write(enveloped, visitor.org, *(noted(number, "doc") for number in range(3)))
    enveloped.feed.state[visitor.org] = [Stated(number=9).about("doc")]
    wire = await enveloped.open(visitor, cursor=FOREIGN)
    assert said(wire.told) == [("snapshot", "doc", 9, "test.stated")]
    (state,) = [one for one in wire.told if one.event == "test.stated"]
    assert (state.json["sequence"], state.id) == (3, None)


async def test_of_too_much_about_one_resource_the_newest_alone_is_told_in_its_place(
    enveloped: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    visitor = await enveloped.visitor()
    await write(enveloped, visitor.org, noted(0, "first"))
    (start,) = await enveloped.cursors(visitor.org)
    crowd = [noted(number, "crowded") for number in range(1, LIMIT + 2)]
    await write(enveloped, visitor.org, *crowd[:-1], noted(1, "calm"), crowd[-1], noted(2, "calm"))
    wire = await enveloped.open(visitor, cursor=str(start))
    assert said(wire.told) == [
        ("event", "calm", 1, "test.noted"),
        ("snapshot", "crowded", LIMIT + 1, "test.noted"),
        ("event", "calm", 2, "test.noted"),
    ]
    assert wire.told[-1].json["replayed"] == 3
    assert "replay condensed: 5 events of 1 resources are left out" in caplog.text
    await write(enveloped, visitor.org, noted(99, "crowded"))
    await wire.next(event="test.noted")
    assert said(wire.told)[-1] == ("event", "crowded", 99, "test.noted"), "what comes later is news"


@pytest.mark.parametrize("missed", [LIMIT, LIMIT + 1])
async def test_as_much_as_the_limit_is_told(enveloped: World, missed: int) -> None:
    visitor = await enveloped.visitor()
    await write(enveloped, visitor.org, noted(0, "doc"))
    (start,) = await enveloped.cursors(visitor.org)
    await write(enveloped, visitor.org, *(noted(number, "doc") for number in range(missed)))
    wire = await enveloped.open(visitor, cursor=str(start))
    kinds = [kind for kind, *_ in said(wire.told)]
    assert kinds == (["event"] * LIMIT if missed == LIMIT else ["snapshot"])


async def test_types_are_counted_apart_and_what_is_about_nothing_is_told(enveloped: World) -> None:
    visitor = await enveloped.visitor()
    await write(enveloped, visitor.org, noted(0, "doc"))
    (start,) = await enveloped.cursors(visitor.org)
    many = range(LIMIT)
    await write(
        enveloped,
        visitor.org,
        *(noted(number, "doc") for number in many),
        *(Whispered(number=number).about("doc") for number in many),
        *(noted(number, "") for number in range(LIMIT + 1)),
    )
    wire = await enveloped.open(visitor, cursor=str(start))
    assert [kind for kind, *_ in said(wire.told)] == ["event"] * (3 * LIMIT + 1)


async def test_across_pages_and_rings_it_is_the_same(enveloped: World) -> None:
    enveloped.configure(RING_ENTRIES=10, PAGE_ENTRIES=16)
    visitor = await enveloped.visitor()
    await write(enveloped, visitor.org, noted(0, "first"))
    (start,) = await enveloped.cursors(visitor.org)
    await write(enveloped, visitor.org, *(noted(number, f"doc-{number % 3}") for number in range(300)))
    wire = await enveloped.open(visitor, cursor=str(start))
    assert said(wire.told) == [("snapshot", f"doc-{number % 3}", number, "test.noted") for number in (297, 298, 299)]


async def test_what_is_hidden_stays_hidden(enveloped: World) -> None:
    visitor = await enveloped.visitor(rights=Rights(names=frozenset({"a"})))
    await write(enveloped, visitor.org, noted(0, "first"))
    (start,) = await enveloped.cursors(visitor.org)
    await write(
        enveloped, visitor.org, *(Noted(number=number).about("doc", audience=["b"]) for number in range(LIMIT + 1))
    )
    wire = await enveloped.open(visitor, cursor=str(start))
    assert said(wire.told) == []


async def test_another_client_at_the_same_place_who_missed_less_is_told_all_of_it(enveloped: World) -> None:
    visitor = await enveloped.visitor()
    other = await enveloped.visitor(visitor.org)
    await write(enveloped, visitor.org, *(noted(number, "doc") for number in range(LIMIT + 3)))
    cursors = await enveloped.cursors(visitor.org)
    far = await enveloped.open(visitor, cursor=str(cursors[0]))
    near = await enveloped.open(other, cursor=str(cursors[3]))
    assert [kind for kind, *_ in said(far.told)] == ["snapshot"]
    assert [kind for kind, *_ in said(near.told)] == ["event"] * (LIMIT - 1)


async def test_who_sees_only_some_of_a_crowd_is_told_the_newest_of_those(enveloped: World) -> None:
    """The newest of all is hidden from him; what he missed is not."""
    visitor = await enveloped.visitor(rights=Rights(names=frozenset({"a"})))
    await write(enveloped, visitor.org, noted(0, "first"))
    (start,) = await enveloped.cursors(visitor.org)
    crowd = [Noted(number=n).about("doc", audience=["a" if n % 2 else "b"]) for n in range(2 * LIMIT + 4)]
    await write(enveloped, visitor.org, *crowd)
    wire = await enveloped.open(visitor, cursor=str(start))
    assert said(wire.told) == [("snapshot", "doc", 2 * LIMIT + 3, "test.noted")]


async def test_many_who_come_back_from_one_place_are_counted_for_once(
    enveloped: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await enveloped.visitor()
    await write(enveloped, visitor.org, *(noted(number, "doc") for number in range(LIMIT + 3)))
    (start, *_) = await enveloped.cursors(visitor.org)
    await enveloped.open(visitor, cursor=str(start))
    (session,) = enveloped.process.sessions
    counted: list[Any] = []
    crowded = log.crowded
    monkeypatch.setattr(log, "crowded", lambda *args, **told: counted.append(args) or crowded(*args, **told))
    openings = await sync_to_async(opening.visit)([session.request] * 3)
    assert len(counted) == 1
    assert len({id(one.condensation) for one in openings}) == 1  # type: ignore[union-attr]
