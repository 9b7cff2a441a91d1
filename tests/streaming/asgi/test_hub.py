from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from streaming import log
from streaming.asgi.org import Chunk, OrgHub, encode
from streaming.core.cursor import Head, ResetReason
from streaming.core.entry import Batch, Entry
from streaming.core.filter import Filter, Scope
from streaming.core.rights import Rights
from tests.streaming.asgi.world import Noted, Whispered, World, eventually, numbers

pytestmark = pytest.mark.any_database


class Counting:
    """A reader that notes when it was woken, and raises if it is told to."""

    def __init__(self, *, raises: bool = False) -> None:
        self.flushes: list[float] = []
        self.ended = False
        self.resets: list[ResetReason] = []
        self.rights_at = 0
        self._raises = raises

    def flush(self) -> None:
        self.flushes.append(asyncio.get_running_loop().time())
        if self._raises:
            raise RuntimeError("a defect in one reader")

    def log_replaced(self, reason: ResetReason) -> None:
        self.resets.append(reason)

    def rights_moved(self, users: frozenset[str]) -> None: ...

    def failed(self) -> None:
        self.ended = True


async def watched(world: World) -> tuple[OrgHub, Counting]:
    """Return an org's hub with its ring loaded, and a reader."""
    org = world.org()
    await world.note(org, 5)
    hub, reader = world.process.hub.org(org), Counting()
    hub.attach(reader)
    await eventually(lambda: hub.ring is not None)
    return hub, reader


async def entries(world: World, org: str) -> tuple[Entry, ...]:
    page = await world.process.bridge.call(log.read, org, first=1, limit=10_000)
    return page.entries


async def test_a_reader_that_raises_is_ended_and_the_others_get_everything(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    visitor = await world.visitor()
    wires = [await world.open(visitor) for _ in range(2)]
    hub, broken = world.hub(visitor.org), Counting(raises=True)
    hub.readers = {broken: None, **hub.readers}
    wires.append(await world.open(visitor))
    await world.note(visitor.org, 3)
    for wire in wires:
        assert list(numbers(await wire.events(3))) == [1, 2, 3]
    assert broken.ended
    assert broken not in hub.readers
    assert "a reader failed" in caplog.text


async def test_a_session_with_a_defect_is_told_error_and_may_come_back(world: World, monkeypatch: Any) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)

    def fails(*_: object) -> Chunk:
        raise RuntimeError("a defect")

    monkeypatch.setattr(world.hub(visitor.org), "_encoded", fails)
    await world.note(visitor.org, 1)
    closing = await wire.next(event="stream.closing")
    assert closing.json["reason"] == "error"
    assert closing.json["reconnect"] is True


async def test_wake_ups_are_paced_by_what_the_last_fan_out_cost(world: World) -> None:
    world.configure(PACE_MIN=0.02, PACE_SHARE=0.25)
    hub, reader = await watched(world)
    await eventually(lambda: reader.flushes)
    reader.flushes.clear()
    await asyncio.sleep(0.05)
    for _ in range(60):
        hub.wake()
        await asyncio.sleep(0.002)
    pauses = [later - earlier for earlier, later in zip(reader.flushes, reader.flushes[1:], strict=False)]
    assert len(pauses) >= 3
    assert min(pauses) >= 0.019
    assert len(reader.flushes) <= 1 + 60 * 0.02 / 0.02


async def test_the_first_wake_up_after_a_rest_is_at_once(world: World) -> None:
    world.configure(PACE_MIN=0.05)
    hub, reader = await watched(world)
    await asyncio.sleep(0.06)
    reader.flushes.clear()
    hub.wake()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(reader.flushes) == 1


async def test_a_long_fan_out_is_followed_by_a_quarter_of_its_cost(world: World) -> None:
    world.configure(PACE_SHARE=0.25)
    hub, reader = await watched(world)
    clock = world.process.loop.time

    class Slow(Counting):
        def flush(self) -> None:
            until = clock() + 0.08
            while clock() < until:
                pass

    await eventually(lambda: not hub._woken)
    hub.attach(Slow())
    reader.flushes.clear()
    hub.wake()
    await eventually(lambda: reader.flushes)
    not_before = hub._not_before
    assert not_before - reader.flushes[0] >= 0.08 + 0.25 * 0.08 - 0.005
    hub.wake()
    await eventually(lambda: len(reader.flushes) == 2)
    assert reader.flushes[1] >= not_before


async def test_readers_of_one_filter_at_one_place_share_the_same_bytes(world: World) -> None:
    hub, _ = await watched(world)
    everything = Filter(types=frozenset({"test.noted"}))
    personal = [Filter(types=everything.types, rights=Rights(names=frozenset({name}))) for name in ("ann", "bob")]
    first, *others = [hub.chunk(chosen, 1, 99) for chosen in (everything, everything, *personal)]
    assert first is not None
    assert all(other is first for other in others), "rights play no part where nothing is addressed"
    assert hub.chunk(Filter(types=frozenset()), 1, 99) is not first


async def test_addressed_entries_are_never_shared_between_different_rights(world: World) -> None:
    org = world.org()
    await world.emit(org, Whispered(number=1).about("", audience=["ann"]))
    await world.reached(org, 1)
    hub = world.process.hub.org(org)
    hub.attach(Counting())
    await eventually(lambda: hub.ring is not None)
    types = frozenset({"test.whispered"})
    ann, bob = (hub.chunk(Filter(types=types, rights=Rights(names=frozenset({n}))), 1, 9) for n in ("ann", "bob"))
    assert ann is not None
    assert bob is not None
    assert b'"number":1' in ann.body
    assert bob.body == b""
    assert bob.last == ann.last
    assert bob.shown is None


async def test_the_cache_of_chunks_does_not_grow_without_bound(world: World) -> None:
    hub, _ = await watched(world)
    for number in range(1500):
        hub.chunk(Filter(types=frozenset({f"t{number}"})), 1, 99)
    assert len(hub._chunks) <= 1001


async def test_a_chunk_holds_at_least_one_entry_however_large(world: World) -> None:
    hub, _ = await watched(world)
    all_of_it = await entries(world, hub.org)
    world.configure(WRITE_BYTES=1)
    chunk = encode(Filter(types=frozenset({"test.noted"})), all_of_it)
    assert chunk.events == 1
    assert chunk.last.sequence == 1
    scoped = Filter(types=frozenset({"test.noted"}), scope=Scope(within=frozenset({"r9"})))
    hidden = encode(scoped, all_of_it)
    assert (hidden.body, hidden.last.sequence, hidden.shown) == (b"", 5, None)


# -- what comes in -----------------------------------------------------------------------------------------------------


async def test_a_batch_behind_a_gap_is_not_shown_before_the_gap_is_filled(world: World) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 2)
    wire = await world.open(visitor)
    spread, world.process._spread = world.process._spread, lambda batch: None  # type: ignore[method-assign]
    await world.note(visitor.org, 10, start=3)
    world.process._spread = spread  # type: ignore[method-assign]
    every = await entries(world, visitor.org)
    world.hub(visitor.org).offer(log.batch(visitor.org, every[9].fingerprint, every[10:]))
    assert list(numbers(await wire.events(10))) == list(range(3, 13))


async def test_offers_that_are_known_change_nothing(world: World) -> None:
    hub, reader = await watched(world)
    await eventually(lambda: reader.flushes)
    every = await entries(world, hub.org)
    fills, flushes = hub.fills, len(reader.flushes)
    for start in range(5):
        after = every[start - 1].fingerprint if start else "00000000"
        hub.offer(log.batch(hub.org, after, every[start:]))
    await asyncio.sleep(0)
    assert (hub.fills, len(reader.flushes)) == (fills, flushes)


async def test_a_batch_that_contradicts_the_ring_is_looked_into_and_the_database_decides(world: World) -> None:
    hub, reader = await watched(world)
    every = await entries(world, hub.org)
    forged = Entry(**{name: getattr(every[4], name) for name in _FIELDS} | {"sequence": 6, "fingerprint": "12345678"})
    fills = hub.fills
    hub.offer(Batch(org=hub.org, epoch=forged.epoch, after="deadbeef", entries=(forged,)))
    await eventually(lambda: hub._filling is None)
    assert hub.fills == fills + 1
    assert hub.ring is not None
    assert hub.ring.head == every[4].cursor
    assert reader.resets == []


_FIELDS = ("epoch", "sequence", "fingerprint", "type", "resource", "keys", "audience", "data", "emitted_at")


async def test_one_fill_at_a_time(world: World) -> None:
    hub, _ = await watched(world)
    spread, world.process._spread = world.process._spread, lambda batch: None  # type: ignore[method-assign]
    await world.note(hub.org, 30)
    world.process._spread = spread  # type: ignore[method-assign]
    fills = hub.fills
    for head in range(6, 36):
        hub.poked(head)
    assert hub.fills <= fills + 1
    await eventually(lambda: hub.ring is not None and hub.ring.head.sequence == 35)
    assert hub.fills <= fills + 2  # the watcher may have asked as well


async def test_what_is_offered_while_the_ring_is_loaded_is_kept(world: World) -> None:
    org = world.org()
    await world.note(org, 3)
    every = await entries(world, org)
    hub = world.process.hub.org(org)
    original = world.process.bridge.call

    async def held(function: Any, *args: Any, **kwargs: Any) -> Any:
        page = await original(function, *args, **kwargs)
        if function is log.recent:
            await world.note(org, 2, start=4)
        return page

    world.process.bridge.call = held  # type: ignore[method-assign]
    hub.attach(Counting())
    await eventually(lambda: hub.ring is not None)
    assert hub.ring is not None
    assert hub.ring.head.sequence == 5
    assert hub.fills == 1
    assert len(every) == 3


async def test_more_than_a_ring_behind_starts_anew_at_the_head_and_readers_lose_nothing(world: World) -> None:
    world.configure(RING_ENTRIES=10, PAGE_ENTRIES=7)
    visitor = await world.visitor()
    wire = await world.open(visitor)
    ask, spread = world.process.watcher.ask, world.process._spread

    async def nothing() -> None:
        return None

    world.process.watcher.ask, world.process._spread = nothing, lambda batch: None  # type: ignore[method-assign]
    await world.note(visitor.org, 300)
    world.process.watcher.ask, world.process._spread = ask, spread  # type: ignore[method-assign]
    assert list(numbers(await wire.events(300))) == list(range(1, 301))
    assert [one.event for one in wire.told].count("stream.reset") == 0


async def test_a_fill_that_fails_is_tried_again_by_the_watcher(world: World, monkeypatch: Any, caplog: Any) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    await eventually(lambda: world.hub(visitor.org).ring is not None)
    original, failures = world.process.bridge.call, []

    async def away(function: Any, *args: Any, **kwargs: Any) -> Any:
        if function is log.read and len(failures) < 2:
            failures.append(1)
            raise OSError("the database went away")
        return await original(function, *args, **kwargs)

    world.process.bridge.call = away  # type: ignore[method-assign]
    spread, world.process._spread = world.process._spread, lambda batch: None  # type: ignore[method-assign]
    await world.note(visitor.org, 2)
    world.process._spread = spread  # type: ignore[method-assign]
    assert list(numbers(await wire.events(2))) == [1, 2]
    assert len(failures) == 2
    assert "cannot read the log" in caplog.text


async def test_a_head_of_another_log_resets_and_an_older_answer_does_not(world: World) -> None:
    hub, reader = await watched(world)
    assert hub.ring is not None
    head = hub.ring.head
    old = Head(epoch=head.epoch, sequence=2, fingerprint=(await world.cursors(hub.org))[1].fingerprint)
    hub.on_head(old, reached=1)
    assert reader.resets == []
    hub.on_head(old, reached=5)
    assert reader.resets == [ResetReason.AHEAD]
    await eventually(lambda: hub.ring is not None)
    assert hub.ring.head == head
    hub.on_head(Head(epoch="zz", sequence=9, fingerprint="0" * 8), reached=0)
    assert reader.resets[1:] == [ResetReason.EPOCH]
    await eventually(lambda: hub.ring is not None)
    hub.on_head(Head(epoch=head.epoch, sequence=5, fingerprint="0" * 8), reached=0)
    assert reader.resets[2:] == [ResetReason.UNKNOWN]


# -- idle orgs ---------------------------------------------------------------------------------------------------------


async def test_an_idle_ring_is_kept_for_a_while_and_then_dropped(world: World, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    world.configure(RING_IDLE=60)
    visitor = await world.visitor()
    wire = await world.open(visitor)
    hub, now = world.process.hub, world.process.now
    assert hub.drop_idle(now() + 1e6) == [], "an org that is read is never dropped"
    await wire.leave()
    assert hub.drop_idle(now() + 59) == []
    assert hub.drop_idle(now() + 61) == [visitor.org]
    assert hub.orgs == {}
    assert hub.reached() == {}
    await world.open(visitor)


async def test_beyond_the_memory_limit_the_least_used_goes_first(world: World) -> None:
    world.configure(RINGS_MAX_BYTES=25_000, RING_IDLE=1e6)
    orgs = []
    for _ in range(3):
        visitor = await world.visitor()
        wire = await world.open(visitor)
        await world.note(visitor.org, 1, text="x" * 10_000)
        await wire.next(event="test.noted")
        await wire.leave()
        orgs.append(visitor.org)
        await asyncio.sleep(0.002)
    assert world.process.hub.drop_idle(world.process.now()) == orgs[:1]


async def test_an_org_that_was_only_polled_is_let_go_too(world: World) -> None:
    visitor = await world.visitor()
    await world.wire("/test/stream/poll", visitor=visitor).answered()
    assert world.process.hub.drop_idle(world.process.now() + 61) in ([], [visitor.org])
    assert world.process.hub.orgs == {}


# -- hints -------------------------------------------------------------------------------------------------------------


async def test_hints_about_orgs_that_nobody_reads_are_dropped(world: World) -> None:
    org = world.org()
    hub = world.process.hub
    hub.poked(org, 5)
    await world.note(org, 1)
    hub.offer(log.batch(org, "00000000", await entries(world, org)))
    hub.on_heads({}, {org: await world.head(org)})
    assert hub.orgs == {}


async def test_a_hint_with_a_huge_head_reads_once_and_shows_nothing(world: World) -> None:
    hub, reader = await watched(world)
    await eventually(lambda: reader.flushes)
    flushes, fills = len(reader.flushes), hub.fills
    hub.poked(1 << 62)
    await eventually(lambda: hub._filling is None)
    assert hub.fills == fills + 1
    assert len(reader.flushes) == flushes
    hub.poked(-3)
    hub.poked(5)
    assert hub.fills == fills + 1


async def test_events_of_a_burst_reach_every_reader_in_order(world: World) -> None:
    org = world.org()
    visitors = [await world.visitor(org) for _ in range(5)]
    wires = [await world.open(visitor) for visitor in visitors for _ in range(4)]
    await asyncio.gather(*(world.emit(org, *(Noted(number=n) for n in range(20))) for _ in range(10)))
    first = [one.id for one in await wires[0].events(200)]
    for wire in wires:
        assert [one.id for one in await wire.events(200)] == first
