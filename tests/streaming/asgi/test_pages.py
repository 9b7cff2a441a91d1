from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streaming import log
from tests.streaming.asgi.world import World, eventually, numbers

pytestmark = pytest.mark.any_database


async def test_all_who_replay_the_same_stretch_share_its_reads(world: World) -> None:
    world.configure(RING_ENTRIES=10, PAGE_ENTRIES=50, STREAM_MAX_PER_USER=0)
    visitor = await world.visitor()
    cursors = await world.note(visitor.org, 310)
    wires = await asyncio.gather(*(world.opened(visitor, cursor=str(cursors[n])) for n in range(40)))
    for start, wire in enumerate(wires):
        await wire.next(event="stream.caught_up")
        assert list(numbers(wire.told)) == list(range(start + 2, 311))
    assert world.process.hub.pages.reads <= 310 / 50 + 1


async def test_never_more_pages_are_read_at_once_than_the_setting_says(world: World) -> None:
    world.configure(RING_ENTRIES=5, PAGE_ENTRIES=10, PAGE_READS=2, STREAM_MAX_PER_USER=0)
    visitor = await world.visitor()
    cursors = await world.note(visitor.org, 200)
    original, under_way, most = world.process.bridge.call, 0, 0

    async def counted(function: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal under_way, most
        if function is not log.read or kwargs["first"] % 10 != 1:  # the hub reads from its head on
            return await original(function, *args, **kwargs)
        under_way += 1
        most = max(most, under_way)
        try:
            return await original(function, *args, **kwargs)
        finally:
            under_way -= 1

    world.process.bridge.call = counted  # type: ignore[method-assign]
    wires = await asyncio.gather(*(world.opened(visitor, cursor=str(cursors[n])) for n in range(0, 180, 12)))
    for wire in wires:
        await wire.next(event="stream.caught_up")
    assert most == 2


async def test_few_pages_are_kept_and_the_least_used_go_first(world: World) -> None:
    world.configure(PAGE_ENTRIES=10, PAGES_KEPT=3)
    org = world.org()
    await world.note(org, 60)
    epoch = (await world.head(org)).epoch
    pages = world.process.hub.pages
    for sequence in (1, 11, 21):
        await pages.read(org, epoch, sequence)
    assert pages.find(org, epoch, 5) is not None
    await pages.read(org, epoch, 31)
    assert pages.find(org, epoch, 11) is None
    assert [entry.sequence for entry in pages.find(org, epoch, 5) or ()] == [5, 6, 7, 8, 9, 10]


async def test_nothing_is_found_below_a_page_whose_beginning_was_trimmed(world: World) -> None:
    world.configure(PAGE_ENTRIES=50)
    org = world.org()
    await world.note(org, 60)
    epoch = (await world.head(org)).epoch
    await world.trim(org, floor=20)
    pages = world.process.hub.pages
    await pages.read(org, epoch, 30)
    assert pages.find(org, epoch, 30) is not None
    assert pages.find(org, epoch, 10) is None


async def test_a_page_that_has_grown_since_is_read_again(world: World) -> None:
    world.configure(PAGE_ENTRIES=50)
    org = world.org()
    await world.note(org, 10)
    epoch = (await world.head(org)).epoch
    pages = world.process.hub.pages
    await pages.read(org, epoch, 1)
    await world.note(org, 5, start=11)
    assert pages.find(org, epoch, 11) is None
    await pages.read(org, epoch, 11)
    assert [entry.sequence for entry in pages.find(org, epoch, 11) or ()] == [11, 12, 13, 14, 15]


async def test_what_is_read_of_a_log_while_it_is_replaced_is_not_kept(world: World) -> None:
    org = world.org()
    await world.note(org, 10)
    epoch = (await world.head(org)).epoch
    pages = world.process.hub.pages
    for _ in range(4):
        await pages._turns.acquire()
    reading = asyncio.create_task(pages.read(org, epoch, 1))
    await eventually(lambda: bool(pages._reading))
    pages.forget(org)
    for _ in range(4):
        pages._turns.release()
    assert len((await reading).entries) == 10
    assert pages.find(org, epoch, 1) is None
    await pages.read(org, epoch, 1)
    assert pages.find(org, epoch, 1) is not None
    assert pages._reading == {}


async def test_a_page_of_another_epoch_is_not_kept(world: World) -> None:
    org = world.org()
    await world.note(org, 3)
    pages = world.process.hub.pages
    await pages.read(org, "zzzz", 1)
    assert pages.find(org, "zzzz", 1) is None


async def test_a_replay_goes_on_across_pages_that_are_cut_by_their_bytes(world: World) -> None:
    world.configure(RING_ENTRIES=5, PAGE_ENTRIES=100, PAGE_BYTES=20_000)
    visitor = await world.visitor()
    cursors = await world.note(visitor.org, 120, text="x" * 1000)
    wire = await world.open(visitor, cursor=str(cursors[0]))
    assert list(numbers(wire.told)) == list(range(2, 121))


async def test_a_page_that_somebody_else_has_brought_is_not_read_again(world: World) -> None:
    world.configure(RING_ENTRIES=5, PAGE_ENTRIES=10)
    visitor = await world.visitor()
    await world.note(visitor.org, 30)
    await world.open(visitor)
    hub = world.hub(visitor.org)
    await eventually(lambda: hub.ring is not None)
    assert await hub.read_page(1)
    assert await hub.read_page(7)
    assert world.process.hub.pages.reads == 1
