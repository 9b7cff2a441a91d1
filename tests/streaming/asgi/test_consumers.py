from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from streaming.core.rights import Rights
from tests.streaming.asgi.wire import Wire
from tests.streaming.asgi.world import PATH, Members, Noted, Visitor, Whispered, World, eventually

pytestmark = pytest.mark.any_database

POLL = f"{PATH}/poll"


async def poll(world: World, visitor: Visitor, **query: Any) -> tuple[Wire, dict[str, Any]]:
    told = {name: str(value) for name, value in query.items()}
    wire = await world.wire(POLL, visitor=visitor, query=told).answered(within=30)
    return wire, orjson.loads(wire.body)


async def test_polling_from_the_oldest_gives_what_a_stream_gives(world: World) -> None:
    visitor = await world.visitor()
    start = str((await world.head(visitor.org)).cursor)
    await world.emit(visitor.org, *(Noted(number=n, text="ä") for n in range(12)))
    await world.reached(visitor.org, 12)
    stream = await world.open(visitor, cursor=start)
    polled: list[dict[str, Any]] = []
    after = "0"
    while True:
        wire, page = await poll(world, visitor, after=after, limit=5)
        assert (wire.status, wire.headers["cache-control"]) == (200, "no-store")
        polled += page["events"]
        after = page["cursor"]
        if not page["hasMore"]:
            break
    assert [(one["id"], one["event"], one["data"]) for one in polled] == [
        (one.id, one.event, one.json) for one in stream.of_feed
    ]
    assert [one["sequence"] for one in polled] == list(range(1, 13))
    assert set(polled[0]) == {"id", "event", "data", "sequence", "emittedAt"}
    assert after == stream.told[-1].id


async def test_polling_without_a_cursor_gives_the_head_and_no_event(world: World) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 3)
    for query in ({}, {"after": ""}, {"after": " "}):
        _, page = await poll(world, visitor, **query)
        assert page == {"events": [], "cursor": str((await world.head(visitor.org)).cursor), "hasMore": False}


async def test_a_polled_cursor_moves_past_hidden_entries(world: World) -> None:
    visitor = await world.visitor(rights=Rights(names=frozenset({"ann"})))
    start = (await world.head(visitor.org)).cursor
    await world.emit(visitor.org, *(Whispered(number=n).about("", audience=["bob"]) for n in range(9)))
    await world.reached(visitor.org, 9)
    _, page = await poll(world, visitor, after=start, limit=4)
    assert page["events"] == []
    assert page["cursor"] == str((await world.head(visitor.org)).cursor)
    assert page["hasMore"] is False


@pytest.mark.parametrize("reason", ["epoch", "ahead", "truncated", "unknown"])
async def test_a_cursor_that_a_stream_would_reset_is_expired_for_a_poll(world: World, reason: str) -> None:
    visitor = await world.visitor()
    cursors = await world.note(visitor.org, 40)
    await world.trim(visitor.org, floor=20)
    epoch = cursors[0].epoch
    cursor = {"epoch": "zz.99.00000001", "ahead": f"{epoch}.41.00000001", "truncated": f"{epoch}.3.00000001"}
    wire, body = await poll(world, visitor, after=cursor.get(reason, f"{epoch}.30.00000001"))
    assert (wire.status, body["error"]["code"]) == (410, "cursor-expired")
    assert body["error"]["details"] == {"reason": reason}
    _, page = await poll(world, visitor, after=0, limit=500)
    assert [one["sequence"] for one in page["events"]] == list(range(20, 41)), "0 is the oldest that is kept"


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "-1"},
        {"limit": "1e2"},
        {"limit": "９"},
        {"limit": "9" * 5000},
        {"wait": "26"},
        {"wait": "0.5"},
        {"after": "x"},
        {"after": "-1"},
        {"after": "00"},
        {"types": "no.such"},
    ],
)
async def test_a_poll_that_means_nothing_is_400(world: World, query: dict[str, str]) -> None:
    wire, body = await poll(world, await world.visitor(), **query)
    assert (wire.status, body["error"]["code"]) == (400, "validation-failed")


async def test_a_long_poll_answers_at_once_when_something_comes(world: World) -> None:
    visitor = await world.visitor()
    head = (await world.head(visitor.org)).cursor
    asked = asyncio.create_task(poll(world, visitor, after=head, wait=20))
    await eventually(lambda: visitor.org in world.process.hub.orgs and world.hub(visitor.org).readers)
    begun = world.process.now()
    await world.note(visitor.org, 1)
    _, page = await asked
    assert world.process.now() - begun <= 5
    assert [one["data"]["number"] for one in page["events"]] == [1]
    assert not world.hub(visitor.org).readers


async def test_a_long_poll_goes_on_waiting_when_only_hidden_entries_come(world: World) -> None:
    visitor = await world.visitor()
    head = (await world.head(visitor.org)).cursor
    asked = asyncio.create_task(poll(world, visitor, after=head, wait=20, types="test.whispered"))
    await eventually(lambda: visitor.org in world.process.hub.orgs and world.hub(visitor.org).readers)
    await world.note(visitor.org, 3)
    assert not asked.done()
    await world.emit(visitor.org, Whispered(number=9))
    _, page = await asked
    assert [one["data"]["number"] for one in page["events"]] == [9]


async def test_a_long_poll_ends_empty_when_its_time_is_over(world: World) -> None:
    visitor = await world.visitor()
    head = (await world.head(visitor.org)).cursor
    begun = world.process.now()
    _, page = await poll(world, visitor, after=head, wait=1)
    assert 0.95 <= world.process.now() - begun <= 5
    assert page == {"events": [], "cursor": str(head), "hasMore": False}


async def test_a_long_poll_is_told_when_its_log_is_replaced(world: World) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 5)
    head = (await world.head(visitor.org)).cursor
    asked = asyncio.create_task(poll(world, visitor, after=head, wait=20))
    await eventually(
        lambda: visitor.org in world.process.hub.orgs and world.hub(visitor.org).readers and world.hub(visitor.org).ring
    )
    await world.rewind(visitor.org, 2)
    wire, body = await asked
    assert (wire.status, body["error"]["details"]) == (410, {"reason": "ahead"})


async def test_a_failed_reader_of_the_hub_ends_its_wait(world: World) -> None:
    from streaming.asgi.consumers import Waiter

    waiter = Waiter()
    waiter.failed()
    assert await waiter.woken(1)
    assert not await waiter.woken(0.01)
    assert not await waiter.woken(0)


async def test_a_poll_shows_nothing_that_came_after_its_rights_were_read(world: World) -> None:
    visitor = await world.visitor()
    start = (await world.head(visitor.org)).cursor
    await world.note(visitor.org, 2)

    def meanwhile() -> None:
        Members.before_rights = None
        world._emit(visitor.org, [Noted(number=3).about("")])
        from streaming import sequencer

        list(sequencer.sequence([visitor.org]))

    Members.before_rights = meanwhile
    _, page = await poll(world, visitor, after=start, limit=100)
    assert [one["data"]["number"] for one in page["events"]] == [1, 2]
    _, page = await poll(world, visitor, after=page["cursor"])
    assert [one["data"]["number"] for one in page["events"]] == [3]


async def test_one_event_is_given_whole_and_hidden_unknown_and_trimmed_are_alike(world: World) -> None:
    org = world.org()
    visitor = await world.visitor(org, rights=Rights(names=frozenset({"ann"})))
    large = "x" * 70_000
    await world.emit(org, Noted(number=1), Noted(number=2, text=large), Whispered(number=3).about("", audience=["bob"]))
    await world.note(org, 7, start=4)
    stream = await world.open(visitor, cursor=str((await world.cursors(org))[0]))
    thin = stream.of_feed[0].json
    assert thin["oversize"] is True
    assert thin["bytes"] > 70_000
    wire = await world.wire("/test/events/2", visitor=visitor).answered()
    assert orjson.loads(wire.body)["data"] == {"number": 2, "text": large}
    await world.trim(org, floor=2)
    answers = set()
    for sequence in (1, 3, 99, 10**17):
        wire = await world.wire(f"/test/events/{sequence}", visitor=visitor, headers={"X-Request-ID": "r"}).answered()
        answers.add((wire.status, wire.body))
    assert len(answers) == 1
    assert answers.pop()[0] == 404


@pytest.mark.parametrize("sequence", ["x", "-1", "1.5", "%EF%BC%99", "9" * 19, "%00", "1%20"])
async def test_a_sequence_that_is_none_is_400(world: World, sequence: str) -> None:
    wire = await world.wire(f"/test/events/{sequence}", visitor=await world.visitor()).answered()
    assert (wire.status, wire.error["code"]) == (400, "validation-failed")


async def test_a_foreign_event_is_forbidden(world: World) -> None:
    visitor = await world.visitor(rights=None)
    assert (await world.wire("/test/events/1", visitor=visitor).answered()).status == 403


async def test_a_websocket_is_refused_before_it_is_accepted(world: World) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    for path in ("/test/stream", "/ws/test/stream", "/anything"):
        await world.application({"type": "websocket", "path": path, "headers": []}, receive, send)
    assert {message["type"] for message in sent} == {"websocket.close"}


async def test_what_is_no_stream_is_djangos(world: World) -> None:
    wire = await world.wire("/test/streams").answered()
    assert wire.status == 404
    assert (await world.wire("/test/stream/poll/more").answered()).status == 404
