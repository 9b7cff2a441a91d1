"""PostgreSQL and Redis that are stopped, killed and frozen under a server: what its clients notice of it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests import services
from tests.acceptance.house import Clerk, Member, headlines
from tests.postgres import Postgres
from tests.servers import Kind, Server, fresh_database, serve
from tests.sse_client import SSE
from tests.streaming.asgi.world import eventually

pytestmark = [pytest.mark.servers, pytest.mark.postgres]

FAULTS: dict[str, tuple[Callable[[Postgres], None], Callable[[Postgres], None]]] = {
    "stopped": (Postgres.stop, Postgres.start),
    "killed": (Postgres.kill, Postgres.start),
    "frozen": (Postgres.freeze, Postgres.thaw),
}


class Place:
    """A server on a PostgreSQL and a Redis that no other test uses, and a writer beside it."""

    def __init__(self, kind: Kind) -> None:
        self.postgres, self.redis = services.postgres("away"), services.redis("away")
        self.database_url = fresh_database("postgres", cluster=self.postgres)
        self._starting = serve(
            kind,
            database_url=self.database_url,
            channels_url=self.redis.channels_url,
            env={"EVENT_STREAM_HEARTBEAT_INTERVAL_MS": "500"},
        )
        self.clerk = Clerk(self.database_url, self.redis.channels_url)

    async def __aenter__(self) -> Place:
        self.server: Server = await self._starting.__aenter__()
        self.owner = Member(**await self.clerk.org())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.postgres.thaw()
        self.redis.thaw()
        await self._starting.__aexit__()
        self.clerk.close()

    def open(self, path: str = "/v1/stream", *, cursor: str | None = None) -> Any:
        headers = self.owner.headers | ({"Last-Event-ID": cursor} if cursor else {})
        return SSE.open(self.server.url + path, headers=headers)

    async def ask(self, path: str = "/v1/stream") -> tuple[int, str, float]:
        """Return status, code or `Retry-After`, and how long the answer took."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with self.open(path) as answer:
            took = loop.time() - begun
            return answer.status, answer.headers.get("retry-after", ""), took

    async def status(self, path: str) -> int:
        return (await self.ask(path))[0]

    async def readiness(self) -> Any:
        async with SSE.open(self.server.url + "/readyz") as answer:
            return await answer.json()


async def heartbeats_come(streams: list[SSE], count: int) -> None:
    for stream in streams:
        seen = 0
        async with asyncio.timeout(10):
            while seen < count:
                block = await stream.next(timeout=10)
                assert block.event != "stream.closing", block
                seen += block.comment == "heartbeat"


LONG = pytest.mark.long


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("uvicorn", "stopped"),
        ("daphne", "frozen"),
        pytest.param("uvicorn", "killed", marks=LONG),
        pytest.param("uvicorn", "frozen", marks=LONG),
        pytest.param("daphne", "stopped", marks=LONG),
    ],
)
async def test_a_database_that_is_away_costs_newcomers_503_and_those_who_are_there_nothing(
    kind: Kind, fault: str
) -> None:
    away, back = FAULTS[fault]
    async with Place(kind) as place, place.open() as first, place.open() as second:
        streams = [first, second]
        for stream in streams:
            await stream.until("stream.caught_up")
        await place.clerk.emit(org=place.owner.org, count=3)
        for stream in streams:
            for _ in range(3):
                await stream.next(event="change.detected")
        await asyncio.to_thread(away, place.postgres)
        status, retry, took = await place.ask()
        assert (status, int(retry) >= 3, took <= 4) == (503, True, True), (status, retry, took)
        await eventually(lambda: is_failing(place), within=6)
        for path in ("/v1/stream", "/v1/events?wait=20", "/v1/events/1", "/v1/stream?refusal=no"):
            status, retry, took = await place.ask(path)
            assert (status, int(retry) >= 3, took <= 1.5) == (503, True, True), (path, status, retry, took)
        assert await place.status("/readyz") == 503
        assert await place.status("/healthz") == 200
        await heartbeats_come(streams, 4)
        await asyncio.to_thread(back, place.postgres)
        await eventually(lambda: opens(place), within=12)
        clerk = Clerk(place.database_url, place.redis.channels_url)  # whose connections are none of this test's
        await clerk.emit(org=place.owner.org, count=3, start=4)
        for stream in streams:
            for _ in range(3):
                await stream.next(event="change.detected")
            assert headlines(stream.blocks) == list(range(1, 7))
        clerk.close()
        assert await place.readiness() == {"status": "ok"}
        log = place.server.log()
    assert "Internal Server Error" not in log
    assert log.count("cannot ask the heads") == 1, log
    assert log.count("Traceback") == 0, log


async def is_failing(place: Place) -> bool:
    return (await place.readiness()).get("status") == "failing"


async def opens(place: Place) -> bool:
    return await place.status("/v1/stream") == 200


async def test_a_replay_waits_for_its_database_and_goes_on() -> None:
    async with Place("uvicorn") as place:
        head = await place.clerk.head(org=place.owner.org)
        await place.clerk.emit(org=place.owner.org, count=3_000, width=3_000)
        async with SSE.open(
            place.server.url + "/v1/stream",
            headers=place.owner.headers | {"Last-Event-ID": head},
            receive_buffer=16_384,
        ) as stream:
            for _ in range(20):
                await stream.next()
            await asyncio.to_thread(place.postgres.kill)
            await eventually(lambda: is_failing(place), within=6)
            quiet = 0
            while quiet < 4:  # what had been read already goes out, and then nothing but heartbeats
                block = await stream.next(timeout=2)
                quiet = quiet + 1 if block.comment == "heartbeat" else 0
            assert len(headlines(stream.blocks)) < 3_000
            await asyncio.to_thread(place.postgres.start)
            await stream.until("stream.caught_up", timeout=40)
        assert headlines(stream.blocks) == list(range(1, 3_001))


@pytest.mark.parametrize("kind", ["uvicorn", pytest.param("daphne", marks=LONG)])
async def test_a_frozen_redis_does_not_keep_a_server_from_ending(kind: Kind) -> None:
    async with Place(kind) as place, place.open() as stream:
        await stream.until("stream.caught_up")
        place.redis.freeze()
        await place.clerk.emit(org=place.owner.org)
        await stream.next(event="change.detected", timeout=2)
        assert await ends(place, stream) <= 8
        place.redis.thaw()


@pytest.mark.parametrize("kind", ["daphne", pytest.param("uvicorn", marks=LONG)])
async def test_a_frozen_database_does_not_keep_a_server_from_ending(kind: Kind) -> None:
    async with Place(kind) as place, place.open() as stream:
        await stream.until("stream.caught_up")
        place.postgres.freeze()
        asking = asyncio.create_task(place.ask())
        assert await ends(place, stream) <= 12
        place.postgres.thaw()
        asking.cancel()


async def ends(place: Place, stream: SSE) -> float:
    """Tell the server to end; return how long it took."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    os.kill(place.server.pid, signal.SIGTERM)
    assert (await stream.rest())[-1].event == "stream.closing"
    await asyncio.to_thread(place.server.process.wait, 20)
    return loop.time() - begun
