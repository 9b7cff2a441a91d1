from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from typing import Any

import pytest

from streaming import sequencer
from streaming.asgi import lifespan
from streaming.asgi.lifespan import Lifespan
from streaming.signals import serving_stopping
from tests.streaming.asgi.world import Members, World, eventually


async def test_a_drain_says_goodbye_to_all_and_spreads_their_return(world: World) -> None:
    world.configure(DRAIN_SPREAD=5, DRAIN_LINGER=1, STREAM_MAX_PER_USER=0)
    visitor = await world.visitor()
    wires = [await world.open(visitor) for _ in range(60)]
    lifespan.drain_all()
    for wire in wires:
        await wire.finished()
    goodbyes = [wire.told[-1] for wire in wires]
    assert {one.json["reason"] for one in goodbyes} == {"shutdown"}
    assert all(one.json["reconnect"] for one in goodbyes)
    pauses = sorted(one.json["retryMs"] for one in goodbyes)
    assert 1250 <= pauses[0] <= pauses[-1] <= 6000, "whoever comes back meets a port that is closed or another server"
    for second in range(1, 6):
        assert sum(second * 1000 <= pause < (second + 1) * 1000 for pause in pauses) <= 30
    assert world.process.sessions == set()


async def test_a_draining_process_takes_no_new_streams(world: World) -> None:
    visitor = await world.visitor()
    world.process.drain()
    for path in ("/test/stream", "/test/stream/poll"):
        wire = await world.wire(path, visitor=visitor).answered()
        assert (wire.status, wire.error["code"]) == (503, "stream-unavailable")


async def test_a_stream_that_was_opening_while_the_drain_began_is_refused_too(world: World) -> None:
    visitor = await world.visitor()
    process = world.process

    def meanwhile() -> None:
        Members.before_rights = None
        process.loop.call_soon_threadsafe(process.drain)

    Members.before_rights = meanwhile
    wire = await world.wire(visitor=visitor).answered()
    assert (wire.status, wire.error["code"]) == (503, "stream-unavailable")
    assert not process.sessions
    assert process.limits.total == 0


async def test_stopping_leaves_no_thread_no_task_and_no_timer(world: World) -> None:
    visitor = await world.visitor()
    before = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    wire = await world.open(visitor)
    process = world.process
    assert sequencer._thread is not None
    await lifespan.stop_all()
    await wire.finished()
    await eventually(
        lambda: {one for one in asyncio.all_tasks() if not one.done()} <= before | {asyncio.current_task()}
    )
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("streaming-bridge")]
    assert sequencer._thread is None
    assert process.wheel._buckets == {}
    assert wire.told[-1].json["reason"] == "shutdown"
    await lifespan.stop_all()


async def test_who_comes_while_it_ends_is_turned_away_and_starts_nothing_anew(world: World) -> None:
    visitor = await world.visitor()
    process = world.process
    slow = threading.Event()
    serving_stopping.connect(receiver := lambda **_: slow.wait(10))
    stopping = asyncio.create_task(lifespan.stop_all())
    await eventually(lambda: process.draining)
    wire = await world.wire(visitor=visitor).answered()
    assert (wire.status, wire.error["code"]) == (503, "stream-unavailable")
    assert (await world.wire("/readyz").answered()).status == 503
    assert world.process is process
    slow.set()
    await stopping
    assert not lifespan._processes
    serving_stopping.disconnect(receiver)


async def test_what_is_committed_after_the_loop_has_ended_is_left_to_others() -> None:
    loop = asyncio.new_event_loop()

    async def make() -> lifespan.Process:
        return lifespan.Process()

    process = await asyncio.to_thread(loop.run_until_complete, make())
    loop.close()
    process._sequenced(None)  # type: ignore[arg-type]
    process.bridge.close()


async def test_a_superseding_map_does_not_keep_sessions_alive(world: World) -> None:
    world.configure(EVENT_STREAM_HEARTBEAT_INTERVAL_MS=100)
    visitor = await world.visitor()
    wire = await world.open(visitor, query={"connection": "page"})
    assert len(world.process._by_key) == 1
    await wire.leave()
    del wire
    world.wires.clear()
    await eventually(lambda: not world.process.wheel._buckets)  # the wheel forgets it when its time has passed
    gc.collect()
    assert len(world.process._by_key) == 0


class Server:
    """The server's side of the lifespan protocol."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[str] = []

    async def receive(self) -> dict[str, Any]:
        return await self.inbox.get()

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message["type"])


@pytest.fixture
def handlers() -> Any:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


async def test_the_lifespan_starts_hooks_sigterm_and_stops(world: World, handlers: Any) -> None:
    world.configure(DRAIN_LINGER=0)
    seen: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    server = Server()
    running = asyncio.create_task(Lifespan()({"type": "lifespan"}, server.receive, server.send))
    server.inbox.put_nowait({"type": "lifespan.startup"})
    await eventually(lambda: server.sent == ["lifespan.startup.complete"])
    wire = await world.open(await world.visitor())
    os.kill(os.getpid(), signal.SIGTERM)
    closing = await wire.next(event="stream.closing")
    assert closing.json["reason"] == "shutdown"
    assert seen == [signal.SIGTERM], "what the server had hooked before runs as well"
    server.inbox.put_nowait({"type": "lifespan.shutdown"})
    await asyncio.wait_for(running, 10)
    assert server.sent[-1] == "lifespan.shutdown.complete"
