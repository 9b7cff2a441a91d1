from __future__ import annotations

import asyncio
import random

import pytest

from tests.acceptance.house import House, headlines
from tests.sse_client import SSE

pytestmark = pytest.mark.servers


async def read_some(stream: SSE, size: int) -> str:
    """Read about `size` bytes of the body, cut the connection, whatever is unread, and return the last id."""
    read, caught_up = 0, False
    while read < size and not caught_up:
        block = await stream.next()
        read += len(block.raw)
        caught_up = block.event == "stream.caught_up"
    stream.cut(reset=size % 2 == 0)
    return stream.blocks[-1].last_event_id if stream.blocks else ""


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_replay_cut_again_and_again_loses_and_doubles_nothing(house: House, seed: int) -> None:
    owner = await house.owner()
    cursor = await house.clerk.head(org=owner.org)
    await house.clerk.emit(org=owner.org, count=300)
    drawn, seen, cuts = random.Random(seed), list[int](), 0
    while len(seen) < 300:
        async with house.open(owner, cursor=cursor) as stream:
            cursor = await read_some(stream, drawn.randint(0, 3000)) or cursor
            seen += headlines(stream.blocks)
            cuts += 1
    assert seen == list(range(1, 301))
    assert cuts >= 20


async def test_a_snapshot_cut_anywhere_is_sent_anew_until_it_was_whole(house: House) -> None:
    owner = await house.owner()
    reports = await house.clerk.detect(org=owner.org, count=20)
    head = await house.clerk.head(org=owner.org)
    drawn = random.Random(5)
    for size in [0, 1, *(drawn.randint(0, 5000) for _ in range(10))]:
        async with house.open(owner, cursor="zz.1.00000001") as stream:
            last = await read_some(stream, size)
            whole = any(block.event == "stream.caught_up" for block in stream.blocks)
            assert last == (head if whole else "")
    async with house.open(owner, cursor="zz.1.00000001") as stream:
        blocks = await stream.until("stream.caught_up")
        assert sum(block.event == "change.detected" for block in blocks) == len(reports)


async def test_clients_that_come_and_go_while_events_are_written_miss_none(house: House) -> None:
    owner = await house.owner()
    start = await house.clerk.head(org=owner.org)
    writing = asyncio.create_task(house.clerk.emit(org=owner.org, count=300, rate=100))

    async def follow(seed: int) -> list[int]:
        drawn, cursor, seen = random.Random(seed), start, list[int]()
        while len(seen) < 300:
            async with house.open(owner, cursor=cursor) as stream:
                for _ in range(drawn.randint(2, 60)):
                    block = await stream.next(timeout=10)
                    seen += headlines([block])
                    if len(seen) == 300:
                        break
                stream.cut(reset=drawn.random() < 0.5)
                cursor = stream.blocks[-1].last_event_id
        return seen

    async with asyncio.timeout(20):
        for seen in await asyncio.gather(*(follow(seed) for seed in range(6))):
            assert seen == list(range(1, 301))
    await writing
