from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.acceptance.house import House, Member, told

pytestmark = pytest.mark.servers


async def poll(house: House, member: Member, *, path: str = "/v1/stream/poll", **query: Any) -> dict[str, Any]:
    async with house.open(member, path=path, **{name: str(value) for name, value in query.items()}) as stream:
        body: dict[str, Any] = json.loads(await stream.body(timeout=30))
        return {"status": stream.status, **body}


async def test_polling_and_streaming_give_the_same(house: House) -> None:
    owner = await house.owner()
    start = await house.clerk.head(org=owner.org)
    await house.clerk.emit(org=owner.org, count=25)
    async with house.open(owner, cursor=start) as stream:
        streamed = (await stream.until("stream.caught_up"))[1:-1]
    for path in ("/v1/stream/poll", "/v1/events", "/v1/events/"):
        polled, after = [], start
        while True:
            page = await poll(house, owner, path=path, after=after, limit=10)
            polled += page["events"]
            after = page["cursor"]
            if not page["hasMore"]:
                break
        assert [(one["id"], one["event"], one["data"]) for one in polled] == [
            (block.id, block.event, told(block)) for block in streamed
        ]
    assert (await poll(house, owner))["events"] == []
    assert len((await poll(house, owner, after=0))["events"]) == 25


async def test_a_long_poll_answers_when_something_comes_and_not_before(house: House) -> None:
    owner = await house.owner()
    head = await house.clerk.head(org=owner.org)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert (await poll(house, owner, after=head, wait=1))["events"] == []
    assert loop.time() - begun >= 0.9
    waiting = asyncio.create_task(poll(house, owner, after=head, wait=20))
    await house.clerk.emit(org=owner.org, count=1)
    begun = loop.time()
    assert len((await waiting)["events"]) == 1
    assert loop.time() - begun <= 2


async def test_what_a_stream_would_reset_is_410(house: House) -> None:
    owner = await house.owner()
    epoch = (await house.clerk.emit(org=owner.org, count=5))[-1].split(".")[0]
    page = await poll(house, owner, after=f"{epoch}.9.00000001")
    assert (page["status"], page["error"]["code"]) == (410, "cursor-expired")
    assert page["error"]["details"] == {"reason": "ahead"}
    assert (await poll(house, owner, after="rubbish"))["status"] == 400


async def test_one_event_is_found_by_its_sequence_and_only_ones_own(house: House) -> None:
    owner = await house.owner()
    member = await house.member(owner.org)
    await house.clerk.emit(org=owner.org, count=2)
    await house.clerk.whisper(org=owner.org, to=owner.user)
    assert (await poll(house, owner, path="/v1/events/2"))["data"]["headline"] == "2"
    assert (await poll(house, owner, path="/v1/events/3"))["event"] == "change.stateChanged"
    hidden, unknown = [await poll(house, member, path=f"/v1/events/{n}") for n in (3, 4)]
    for answer in (hidden, unknown):
        answer["error"].pop("requestId")
    assert hidden == unknown
    assert hidden["status"] == 404
