from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping
from typing import Any

import pytest

from streaming import log
from streaming.asgi.watcher import RECENT, Watcher
from streaming.core.cursor import Head
from tests.streaming.asgi.world import World, eventually, numbers


class Watched:
    def __init__(self, reached: dict[str, int]) -> None:
        self._reached = reached
        self.told: list[tuple[dict[str, int], dict[str, Head]]] = []

    def reached(self) -> dict[str, int]:
        return dict(self._reached)

    def on_heads(self, reached: Mapping[str, int], heads: Mapping[str, Head]) -> None:
        self.told.append((dict(reached), dict(heads)))


async def test_the_heads_are_told_with_what_was_reached_before_they_were_asked_for(world: World) -> None:
    org = world.org()
    await world.note(org, 3)
    reached = {org: 2, "nobody": 0}
    watched = Watched(reached)
    watcher = Watcher(watched, world.process.bridge, pause=lambda: 60.0)
    original = world.process.bridge.call

    async def later(function: Any, *args: Any) -> Any:
        answer = await original(function, *args)
        reached[org] = 3
        return answer

    world.process.bridge.call = later  # type: ignore[method-assign,assignment]
    await watcher.ask()
    ((told, heads),) = watched.told
    assert told == {org: 2, "nobody": 0}
    assert heads == {org: await world.head(org)}


async def test_one_statement_however_many_orgs(world: World, django_assert_num_queries: Any) -> None:
    orgs = [world.org() for _ in range(30)]
    for org in orgs:
        await world.note(org, 1)
    from asgiref.sync import sync_to_async

    def ask() -> None:
        with django_assert_num_queries(1):
            assert len(log.heads(orgs)) == 30

    await sync_to_async(ask)()


async def test_what_no_hint_announced_is_found_by_asking(world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    world.process._spread = lambda batch: None  # type: ignore[method-assign]
    begun = world.process.now()
    await world.note(visitor.org, 3)
    assert list(numbers(await wire.events(3))) == [1, 2, 3]
    assert world.process.now() - begun <= 1.5


async def test_a_database_that_is_away_closes_nothing_and_is_told_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.configure(HEADS_EVERY_EMBEDDED=0.02)
    visitor = await world.visitor()
    wire = await world.open(visitor)
    bridge = world.process.watcher._bridge
    original = bridge.call
    asked = 0

    async def away(function: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal asked
        if function is log.heads:
            asked += 1
            raise OSError("connection refused")
        return await original(function, *args, **kwargs)

    bridge.call = away  # type: ignore[method-assign]
    await eventually(lambda: asked >= 5)
    assert not world.process.watcher.database_ok
    assert world.process.degraded == "the database does not answer"
    assert caplog.text.count("cannot ask the heads") == 1
    bridge.call = original  # type: ignore[method-assign]
    await eventually(lambda: world.process.watcher.database_ok)
    assert world.process.degraded is None
    await world.note(visitor.org, 1)
    await wire.events(1)
    assert not wire.ended


async def test_asking_takes_at_most_a_twentieth_of_the_time(world: World) -> None:
    class SlowBridge:
        async def ask(self, function: Any, *args: Any) -> dict[str, Head]:
            times.append(time.monotonic())
            await asyncio.sleep(0.01)
            return {}

    times: list[float] = []
    watcher = Watcher(Watched({}), SlowBridge(), pause=lambda: 0.001)  # type: ignore[arg-type]
    task = asyncio.create_task(watcher.run())
    await eventually(lambda: len(times) >= 8)
    task.cancel()
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)][RECENT:]
    assert min(pauses) >= 0.01 / 0.05


async def test_one_slow_answer_makes_nobody_wait_for_the_next(world: World) -> None:
    class Hiccup:
        async def ask(self, function: Any, *args: Any) -> dict[str, Head]:
            times.append(time.monotonic())
            await asyncio.sleep(0.3 if len(times) == 6 else 0)
            return {}

    times: list[float] = []
    watcher = Watcher(Watched({}), Hiccup(), pause=lambda: 0.01)  # type: ignore[arg-type]
    task = asyncio.create_task(watcher.run())
    await eventually(lambda: len(times) >= 8)
    task.cancel()
    assert times[6] - times[5] < 0.3 + 0.3 / 0.05 / 2


async def test_a_database_that_hangs_is_known_to_be_away_in_time_and_asked_again(world: World) -> None:
    world.configure(DATABASE_TIMEOUT=0.5, HEADS_EVERY_EMBEDDED=0.02)
    visitor = await world.visitor()
    wire = await world.open(visitor)
    bridge = world.process.watcher._bridge
    original, answers = bridge.call, asyncio.Event()

    async def hung(function: Any, *args: Any, **kwargs: Any) -> Any:
        await answers.wait()
        return await original(function, *args, **kwargs)

    bridge.call = hung  # type: ignore[method-assign]
    await eventually(lambda: not world.process.watcher.database_ok, within=3)
    refused = await world.wire(visitor=visitor).answered()
    assert (refused.status, refused.error["code"]) == (503, "stream-unavailable")
    assert 3 <= int(refused.headers["retry-after"]) <= 6
    answers.set()
    await eventually(lambda: world.process.watcher.database_ok, within=3)
    assert not wire.ended
    await world.open(visitor)


async def test_a_process_that_serves_no_org_knows_whether_the_database_is_there(world: World) -> None:
    watched = Watched({})
    watcher = Watcher(watched, world.process.bridge, pause=lambda: 60.0)
    assert await watcher.ask()
    original = world.process.bridge.call

    async def away(function: Any, orgs: Any) -> Any:
        if orgs:  # about none the database is not asked at all
            raise OSError("connection refused")
        return await original(function, orgs)

    world.process.bridge.call = away  # type: ignore[method-assign]
    assert not await watcher.ask()
    assert not watcher.database_ok
    world.process.bridge.call = original  # type: ignore[method-assign]
    assert await watcher.ask()
    assert watched.told == [({}, {}), ({}, {})]


async def test_a_defect_in_one_org_does_not_end_the_watching(world: World, caplog: pytest.LogCaptureFixture) -> None:
    class Defective(Watched):
        def on_heads(self, reached: Mapping[str, int], heads: Mapping[str, Head]) -> None:
            super().on_heads(reached, heads)
            raise RuntimeError("a defect")

    watched = Defective({})
    task = asyncio.create_task(Watcher(watched, world.process.bridge, pause=lambda: 0.01).run())
    await eventually(lambda: len(watched.told) >= 3)
    task.cancel()
    assert "cannot follow the heads" in caplog.text
