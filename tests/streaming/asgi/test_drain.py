from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from streaming.asgi import drain
from streaming.asgi.drain import Hook
from tests.streaming.asgi.world import World, eventually


@pytest.fixture
def handlers() -> Iterator[dict[int, Any]]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


class Process:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.drained = 0

    def drain(self) -> None:
        self.drained += 1


class Server:
    """What a server has installed before."""

    def __init__(self) -> None:
        self.told: list[float] = []

    def __call__(self, number: int, frame: Any) -> None:
        self.told.append(asyncio.get_running_loop().time())


async def test_sigterm_drains_at_once_and_the_server_hears_of_it_after_the_lingering(
    settings: Any, handlers: Any
) -> None:
    settings.STREAMING = {**settings.STREAMING, "DRAIN_LINGER": 0.2}
    process, server = Process(), Server()
    signal.signal(signal.SIGTERM, server)
    drain.hook(process)
    begun = process.loop.time()
    os.kill(os.getpid(), signal.SIGTERM)
    await eventually(lambda: process.drained == 1, within=0.1)
    assert server.told == []
    await eventually(lambda: server.told)
    assert server.told[0] - begun >= 0.2


async def test_a_second_sigterm_ends_the_lingering(settings: Any, handlers: Any) -> None:
    settings.STREAMING = {**settings.STREAMING, "DRAIN_LINGER": 60}
    process, server = Process(), Server()
    signal.signal(signal.SIGTERM, server)
    drain.hook(process)
    os.kill(os.getpid(), signal.SIGTERM)
    await eventually(lambda: process.drained == 1)
    assert server.told == []
    os.kill(os.getpid(), signal.SIGTERM)
    await eventually(lambda: len(server.told) == 1, within=1)


async def test_ctrl_c_does_not_linger(settings: Any, handlers: Any) -> None:
    settings.STREAMING = {**settings.STREAMING, "DRAIN_LINGER": 60}
    process, server = Process(), Server()
    signal.signal(signal.SIGINT, server)
    drain.hook(process)
    os.kill(os.getpid(), signal.SIGINT)
    await eventually(lambda: (process.drained, len(server.told)) == (1, 1), within=1)


async def test_outside_the_main_thread_no_signal_is_hooked(handlers: Any) -> None:
    before = {number: signal.getsignal(number) for number in handlers}
    await asyncio.to_thread(drain.hook, Process())
    assert {number: signal.getsignal(number) for number in handlers} == before


async def test_an_ignored_signal_stays_ignored(world: World) -> None:
    world.configure(DRAIN_LINGER=0)
    Hook(world.process, signal.SIG_IGN)(signal.SIGTERM, None)
    await eventually(lambda: world.process.draining)


async def test_where_the_loop_has_ended_the_server_is_told_all_the_same() -> None:
    process, server = Process(), Server()
    process.loop = asyncio.new_event_loop()
    process.loop.close()
    Hook(process, server)(signal.SIGTERM, None)
    assert len(server.told) == 1
