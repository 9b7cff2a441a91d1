"""Clients that read slowly or not at all, over real sockets: who is put out, who is not, and that no other notices."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from tests.acceptance.house import House, Member, headlines, told
from tests.servers import Kind
from tests.sse_client import SSE, StreamEnded
from tests.streaming.asgi.world import eventually
from tests.tuned import tuned

pytestmark = pytest.mark.servers

each_server = pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
SLOW_WRITE = 1.5
EVENTS, WIDTH = 200, 60_000  # 12 MB: more than the sockets of both sides hold


def house(kind: Kind) -> House:
    return House(kind, env=tuned(SLOW_WRITE=SLOW_WRITE, STREAM_MAX_PER_USER=1))


async def filled(house: House) -> tuple[Member, str]:
    """Return the owner of an org with a long log, and the cursor before all of it."""
    owner = await house.owner()
    head = await house.clerk.head(org=owner.org)
    await house.clerk.emit(org=owner.org, count=EVENTS, width=WIDTH)
    return owner, head


def reading(house: House, member: Member, cursor: str) -> AbstractAsyncContextManager[SSE]:
    headers = {**member.headers, "Last-Event-ID": cursor}
    return SSE.open(house.url(), headers=headers, receive_buffer=16_384)


@each_server
async def test_a_replay_is_never_slow_while_bytes_move(kind: Kind) -> None:
    with house(kind) as made:
        owner, head = await filled(made)
        async with reading(made, owner, head) as stream:
            loop = asyncio.get_running_loop()
            begun = loop.time()
            while loop.time() < begun + 5 * SLOW_WRITE:
                await stream.next(timeout=30)  # some 60 KB, every 150 ms
                await asyncio.sleep(0.15)
            behind = len(headlines(stream.blocks))
            assert behind < EVENTS / 2, "it has read too fast to show anything"
            blocks = await stream.until("stream.caught_up", timeout=30)
        assert headlines(stream.blocks) == list(range(1, EVENTS + 1))
        assert told(blocks[-1])["replayed"] == EVENTS


@pytest.mark.long
@each_server
async def test_a_replay_of_which_no_byte_is_taken_is_slow_and_resumes_by_its_cursor(kind: Kind) -> None:
    with house(kind) as made:
        owner, head = await filled(made)
        other = await made.member(owner.org)
        async with reading(made, owner, head) as stream, made.open(other) as healthy:
            await healthy.until("stream.caught_up")
            assert not await has_a_place(made, owner)
            await eventually(lambda: has_a_place(made, owner), within=4 * SLOW_WRITE)
            with pytest.raises(StreamEnded):
                await stream.next(event="stream.caught_up", timeout=30)
            seen = headlines(stream.blocks)
            await made.clerk.emit(org=owner.org, start=EVENTS + 1)
            assert headlines([await healthy.next(event="change.detected")]) == [EVENTS + 1]
        async with made.open(owner, cursor=stream.last_event_id) as again:
            seen += headlines(await again.until("stream.caught_up", timeout=30))
        assert seen == list(range(1, EVENTS + 2))


async def has_a_place(house: House, member: Member) -> bool:
    async with house.open(member) as stream:
        return stream.status == 200
