from __future__ import annotations

import orjson

from streaming import log
from tests.streaming.asgi.world import World


async def test_a_process_that_runs_is_alive_and_ready(world: World) -> None:
    for path in ("/healthz", "/healthz/", "/readyz", "/readyz/"):
        wire = await world.wire(path).answered()
        assert (wire.status, orjson.loads(wire.body)) == (200, {"status": "ok"})
        assert wire.headers["cache-control"] == "no-store"


async def test_a_layer_that_is_away_is_degraded_with_the_reason(world: World) -> None:
    world.process.pump._broken_until = world.process.now() + 5
    wire = await world.wire("/readyz").answered()
    expected = {"status": "degraded", "reason": "the channel layer does not answer"}
    assert (wire.status, orjson.loads(wire.body)) == (200, expected)


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
