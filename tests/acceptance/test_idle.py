"""500 open streams: they hold no database connection, and a slow query elsewhere in the process delays none."""

from __future__ import annotations

import asyncio
import contextlib
import time

import psycopg
import pytest

from tests import services
from tests.processes import wait_until
from tests.servers import fresh_database, manage, serve
from tests.sse_client import SSE

pytestmark = [pytest.mark.servers, pytest.mark.long, pytest.mark.timeout(180)]

STREAMS = 500
EVENT = '{"changeReportId":"chg_1","vendorId":"vnd_1","severity":"P3","headline":"h"}'


def connections(database_url: str) -> int:
    name = database_url.rsplit("/", 1)[1]
    with psycopg.connect(services.postgres().url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [name]).fetchone()
    return int(row[0]) if row else 0


def sleeping(database_url: str) -> bool:
    name = database_url.rsplit("/", 1)[1]
    with psycopg.connect(services.postgres().url) as connection:
        query = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND state = 'active' AND query LIKE '%%pg_sleep%%'"
        return connection.execute(query, [name]).fetchone() is not None


async def test_500_idle_streams_hold_no_connection_and_a_slow_query_delays_none() -> None:
    database, layer = fresh_database("postgres"), services.redis().url.replace("redis://", "redis+pubsub://")
    token = manage("token", "acme", "owner", "--create", database_url=database).stdout.strip()
    env = {"STREAM_MAX_PER_USER": "0"}
    async with (
        serve(
            "uvicorn",
            database_url=database,
            channels_url=layer,
            env=env,
            application="tests.slow_application:application",
        ) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        url = f"{server.url}/v1/stream?token={token}"
        first = await stack.enter_async_context(SSE.open(url))
        await first.next(event="stream.caught_up")
        one = connections(database)
        streams = [first]
        streams += [await stack.enter_async_context(SSE.open(url)) for _ in range(STREAMS - 1)]
        for stream in streams[1:]:
            await stream.next(event="stream.caught_up")
        all_open = connections(database)

        slow = [asyncio.create_task(_get(f"{server.url}/slow")) for _ in range(3)]
        await asyncio.to_thread(wait_until, lambda: sleeping(database), within=5, what="the slow query runs")
        begun = time.monotonic()
        async with SSE.open(url) as late:
            await late.next(event="stream.caught_up")
            opening = time.monotonic() - begun
        emitted = await asyncio.to_thread(
            manage, "emit", "acme", "change.detected", EVENT, database_url=database, channels_url=layer
        )
        assert emitted.returncode == 0
        begun = time.monotonic()
        await asyncio.gather(*(stream.next(event="change.detected", timeout=5) for stream in streams))
        delivery = time.monotonic() - begun
        assert not all(task.done() for task in slow)
        for task in slow:
            await task
    print(f"\nconnections with 1 stream: {one}, with {STREAMS}: {all_open}")
    print(f"during a 2-s query elsewhere a stream opened in {opening * 1000:.0f} ms,")
    print(f"and an event had reached all {STREAMS} {delivery * 1000:.0f} ms after its command ended")
    assert all_open <= one + 3  # the bridge's four threads share a pool, whatever the number of streams
    assert opening < 1.0
    assert delivery < 1.0


async def _get(url: str) -> None:
    async with SSE.open(url, timeout=20):
        pass
