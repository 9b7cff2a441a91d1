from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.acceptance.house import HEARTBEAT, House, told
from tests.sse_client import SSE
from tests.sse_parser import Block

pytestmark = pytest.mark.servers


async def beats(stream: SSE, count: int, *, named: bool = False) -> list[Block]:
    found: list[Block] = []
    while len(found) < count:
        block = await stream.next(timeout=20)
        if (block.event == "heartbeat") if named else (block.comment == "heartbeat"):
            found.append(block)
    return found


def assert_in_time(found: list[Block], top: float) -> None:
    pauses = [later.at - earlier.at for earlier, later in itertools.pairwise(found)]
    assert len(pauses) == 10
    assert all(0.8 * top - 0.05 <= pause <= top + 0.5 for pause in pauses), pauses
    assert max(pauses) - min(pauses) > 0.01 * top, "drawn anew for each beat"


async def test_ten_heartbeats_idle_and_under_traffic_come_in_time(house: House) -> None:
    idle, busy = await house.owner(), await house.owner()
    async with (
        house.open(idle) as quiet,
        house.open(busy) as loud,
        house.open(idle, heartbeat="event") as named,
        house.open(busy, types="change.stateChanged") as filtered,
    ):
        writing = asyncio.create_task(house.clerk.emit(org=busy.org, count=520, rate=50))
        found = await asyncio.gather(
            beats(quiet, 11), beats(loud, 11), beats(named, 11, named=True), beats(filtered, 11)
        )
        for one in found:
            assert_in_time(one, HEARTBEAT)
        assert not writing.done() or len(loud.blocks) > 400
        assert all(block.id is None and block.data is None for block in found[0] + found[1])
        assert all(set(told(block)) == {"now"} and block.comment is None for block in found[2])
        moved = [block.id for block in found[3]]
        assert None not in moved[1:8], "what the filter hides moves the cursor"
        sequences = [int((cursor or "").split(".")[1]) for cursor in moved[1:8]]
        assert sequences == sorted(set(sequences))
        await writing


async def test_a_cursor_of_a_heartbeat_resumes_behind_what_was_hidden(house: House) -> None:
    owner = await house.owner()
    async with house.open(owner, types="change.stateChanged") as stream:
        await stream.until("stream.caught_up")
        cursor = (await house.clerk.emit(org=owner.org, count=3))[-1]
        (beat,) = await beats(stream, 1)
        while beat.id is None:
            (beat,) = await beats(stream, 1)
        assert beat.id == cursor == stream.last_event_id
    async with house.open(owner, cursor=cursor) as stream:
        assert told((await stream.until("stream.caught_up"))[-1])["replayed"] == 0


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_ten_real_heartbeats_of_12_to_15_seconds(kind: str) -> None:
    with House(kind, env={"EVENT_STREAM_HEARTBEAT_INTERVAL_MS": ""}) as house:  # type: ignore[arg-type]
        idle, busy = await house.owner(), await house.owner()
        async with house.open(idle) as quiet, house.open(busy) as loud:
            writing = asyncio.create_task(house.clerk.emit(org=busy.org, count=8000, rate=50))
            for one in await asyncio.gather(beats(quiet, 11), beats(loud, 11)):
                assert_in_time(one, 15)
            assert told(quiet.blocks[0])["heartbeat"] == 15
            await writing
