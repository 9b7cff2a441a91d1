from __future__ import annotations

import asyncio

import orjson

from streaming import log
from tests.streaming.asgi.world import World


async def test_a_process_that_runs_is_alive_and_ready(world: World) -> None:
    for path in ("/healthz", "/healthz/", "/readyz", "/readyz/"):
        wire = await world.wire(path).answered()
        assert (wire.status, orjson.loads(wire.body)) == (200, {"status": "ok"})
        assert wire.headers["cache-control"] == "no-store"


async def test_a_layer_that_is_away_is_degraded_with_the_reason_until_it_has_recovered(world: World) -> None:
    breaker = world.process.pump._breaker
    breaker.failed(world.process.now())
    wire = await world.wire("/readyz").answered()
    expected = {"status": "degraded", "reason": "the channel layer does not answer"}
    assert (wire.status, orjson.loads(wire.body)) == (200, expected)
    breaker.answered()
    wire = await world.wire("/readyz").answered()
    assert (wire.status, orjson.loads(wire.body)["status"]) == (200, "degraded")
    assert "is back" in orjson.loads(wire.body)["reason"]
    breaker.recovered()
    assert orjson.loads((await world.wire("/readyz").answered()).body) == {"status": "ok"}


async def test_a_database_that_is_known_to_be_away_is_not_asked(world: World) -> None:
    world.process.watcher.database_ok = False
    world.process.bridge.ask = None  # type: ignore[method-assign,assignment]
    wire = await world.wire("/readyz").answered()
    assert wire.status == 503
    assert orjson.loads(wire.body) == {"status": "failing", "reason": "the database does not answer"}


async def test_a_database_that_hangs_is_failing_in_time(world: World) -> None:
    world.configure(DATABASE_TIMEOUT=0.1)

    async def hang(function, *args, **kwargs):  # type: ignore[no-untyped-def]
        await asyncio.Event().wait()

    world.process.bridge.call = hang  # type: ignore[method-assign]
    wire = await world.wire("/readyz").answered(within=1)
    assert (wire.status, orjson.loads(wire.body)["status"]) == (503, "failing")


async def test_a_database_that_is_away_is_failing_and_the_process_is_alive(world: World) -> None:
    original = world.process.bridge.call

    async def away(function, *args, **kwargs):  # type: ignore[no-untyped-def]
        if function is log.heads:
            raise OSError("connection refused")
        return await original(function, *args, **kwargs)

    world.process.bridge.call = away  # type: ignore[method-assign]
    wire = await world.wire("/readyz").answered()
    assert (wire.status, orjson.loads(wire.body)["status"]) == (503, "failing")
    assert (await world.wire("/healthz").answered()).status == 200


async def test_draining_is_failing(world: World) -> None:
    world.process.drain()
    wire = await world.wire("/readyz").answered()
    assert wire.status == 503
    assert orjson.loads(wire.body) == {"status": "failing", "reason": "shutting down"}
