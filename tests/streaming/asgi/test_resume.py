"""A connection that is cut anywhere, resumed by the rules of three kinds of client.

The bytes are captured once; for each prefix a client reads what it would have read, reconnects with what it then takes
for its last id, and must have everything. `native` is a browser; `strict` drops blocks without data together with
their id, as eventsource-parser does; `httpx_client` is httpx-sse, which shows comments as empty messages.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import httpx
import httpx_sse
import orjson
import pytest
from asgiref.sync import sync_to_async

from tests.sse_parser import Block, SSEParser
from tests.streaming.asgi.world import Noted, Stated, World, numbers


class Read(NamedTuple):
    """What a client has after a prefix: the last id, whether it saw a reset, and the events since its start."""

    last_id: str
    was_reset: bool
    seen: list[tuple[str | None, int]]


def native(data: bytes) -> Read:
    return _read(SSEParser().feed(data), lambda block: block.last_event_id)


def strict(data: bytes) -> Read:
    last = ""

    def remember(block: Block) -> str:
        nonlocal last
        last = block.id if block.dispatched and block.id is not None else last
        return last

    return _read(SSEParser().feed(data), remember)


def httpx_client(data: bytes) -> Read:
    """Read with httpx-sse itself; a program that uses it keeps the id of the last event that it was given."""
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=data)
    last, was_reset = "", False
    seen: list[tuple[str | None, int]] = []
    for one in httpx_sse.EventSource(response).iter_sse():
        last = one.id
        was_reset = was_reset or one.event == "stream.reset"
        if one.event in ("test.noted", "test.stated"):
            seen.append((one.id, one.json()["number"]))
    return Read(last, was_reset, seen)


CLIENTS: list[Callable[[bytes], Read]] = [native, strict, httpx_client]


def _read(blocks: list[Block], last_id: Callable[[Block], str]) -> Read:
    last, was_reset = "", False
    seen: list[tuple[str | None, int]] = []
    for block in blocks:
        last = last_id(block)
        was_reset = was_reset or block.event == "stream.reset"
        if block.event in ("test.noted", "test.stated"):
            seen.append((block.id, orjson.loads(block.data or "")["number"]))
    return Read(last, was_reset, seen)


async def replayed(world: World, org_visitor: object, cursor: str | None) -> bytes:
    wire = await world.open(org_visitor, cursor=cursor)  # type: ignore[arg-type]
    await wire.leave()
    world.wires.remove(wire)
    return wire.body


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
async def test_a_replay_that_is_cut_after_any_byte_loses_and_doubles_nothing(
    world: World, client: Callable[[bytes], Read]
) -> None:
    world.configure(STREAM_MAX_PER_USER=0, RING_ENTRIES=100, PAGE_ENTRIES=64)
    visitor = await world.visitor()
    start = str((await world.head(visitor.org)).cursor)
    await world.note(visitor.org, 300)
    whole = await replayed(world, visitor, start)
    resumed: dict[str, list[int]] = {}
    read, previous = client(b""), -1
    for cut in range(len(whole) + 1):
        if cut and not whole[:cut].endswith(b"\n\n"):
            end = previous  # nothing is dispatched between two blank lines, and no id taken
        else:
            end = previous = cut
            read = client(whole[:end])
        last = read.last_id or start
        if last not in resumed:
            resumed[last] = [n for _, n in client(await replayed(world, visitor, last)).seen]
        union = [n for _, n in read.seen] + resumed[last]
        assert union == list(range(1, 301)), f"cut after byte {cut}, resumed at {last}"
    assert len(resumed) >= 300


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
async def test_every_prefix_reads_as_its_last_whole_block(world: World, client: Callable[[bytes], Read]) -> None:
    """Hold the shortcut of the test above: a prefix that ends inside a block says no more than the one before it."""
    visitor = await world.visitor()
    start = str((await world.head(visitor.org)).cursor)
    await world.note(visitor.org, 20)
    whole = await replayed(world, visitor, start)
    at_end = client(b"")
    for cut in range(len(whole) + 1):
        read = client(whole[:cut])
        if whole[:cut].endswith(b"\n\n"):
            at_end = read
        assert read == at_end


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
async def test_a_snapshot_that_is_cut_after_any_byte_is_sent_anew_until_it_was_whole(
    world: World, client: Callable[[bytes], Read]
) -> None:
    world.configure(STREAM_MAX_PER_USER=0)
    visitor = await world.visitor()
    world.feed.state[visitor.org] = [Stated(number=1000 + n) for n in range(40)]
    await world.note(visitor.org, 5)
    bad = "zzzz.1.00000001"
    whole = await replayed(world, visitor, bad)
    await world.note(visitor.org, 3, start=6)
    live = {6, 7, 8}
    resumed: dict[str, Read] = {}
    for cut in range(len(whole) + 1):
        read = client(whole[:cut])
        last = read.last_id or bad
        if last not in resumed:
            resumed[last] = client(await replayed(world, visitor, last))
        after = resumed[last]
        state = {n for _, n in read.seen} | {n for _, n in after.seen}
        assert {1000 + n for n in range(40)} <= state, f"cut after byte {cut}"
        if after.was_reset:
            assert not live & {n for _, n in after.seen}, "the newer state stands for them"
        else:
            assert live <= {n for _, n in after.seen}
    assert len(resumed) == 2, "only the end of the snapshot moves the cursor"
    assert resumed[bad].was_reset


async def test_a_hidden_stretch_costs_a_strict_client_no_event(world: World) -> None:
    """Who drops comment blocks drops the cursor in them as well, and only asks again for what was hidden."""
    visitor = await world.visitor()
    start = str((await world.head(visitor.org)).cursor)
    await world.note(visitor.org, 5)
    wire = await world.open(visitor, cursor=start, query={"types": "test.stated"})
    for read in (native(wire.body), strict(wire.body)):
        assert read.last_id == wire.told[-1].id


async def test_hundreds_of_connects_at_random_cursors_while_events_come(world: World) -> None:
    world.configure(STREAM_MAX_PER_USER=0, RING_ENTRIES=40, PAGE_ENTRIES=50)
    visitor = await world.visitor()
    known = {cursor.sequence: str(cursor) for cursor in await world.note(visitor.org, 400)}
    drawn = random.Random(7)
    stop = threading.Event()

    def write() -> int:
        """Commit 250 events a second, ten at a time."""
        begun, written = time.monotonic(), 0
        while not stop.wait(max(0.0, begun + written / 250 - time.monotonic())):
            world._emit(visitor.org, [Noted(number=401 + written + n).about("") for n in range(10)])
            written += 10
        return written

    async def connect(number: int) -> None:
        await asyncio.sleep(drawn.uniform(0, 4))
        sequence = drawn.choice(sorted(known)[-120:])
        wire = world.wire(visitor=visitor, headers={"Last-Event-ID": known[sequence]})
        await wire.start(within=60)
        await wire.next(event="stream.caught_up", within=60)
        await wire.events(len(wire.of_feed) + drawn.randint(1, 20), within=60)
        await wire.leave()
        world.wires.remove(wire)
        cursors = [one.id or "" for one in wire.of_feed]
        got = list(numbers(wire.told))
        assert got == list(range(sequence + 1, sequence + 1 + len(got))), f"client {number} from {sequence}"
        assert [int(cursor.split(".")[1]) for cursor in cursors] == got
        known.update(zip(got, cursors, strict=True))

    writing = asyncio.create_task(sync_to_async(write)())
    try:
        await asyncio.gather(*(connect(number) for number in range(300)))
    finally:
        stop.set()
        written = await writing
    assert written >= 500
