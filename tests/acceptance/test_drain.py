"""Servers that are told to end, or are killed: what their clients see, and how long it takes."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.acceptance.house import House, Member, headlines, told
from tests.servers import Kind, serve
from tests.sse_client import SSE
from tests.tuned import tuned

pytestmark = pytest.mark.servers

KINDS: list[tuple[Kind, int]] = [("daphne", 1), ("uvicorn", 1), ("uvicorn", 2)]
IDS = ["daphne", "uvicorn", "uvicorn with 2 workers"]
each_server = pytest.mark.parametrize(("kind", "workers"), KINDS, ids=IDS)
most_servers = pytest.mark.parametrize(
    ("kind", "workers"),
    [KINDS[0], pytest.param(*KINDS[1], marks=pytest.mark.long), KINDS[2]],
    ids=IDS,
)
one_server = pytest.mark.parametrize("kind", [pytest.param("daphne", marks=pytest.mark.long), "uvicorn"])


class Ending(House):
    """A house of a test's own: it is to end."""

    def __init__(self, kind: Kind, *, workers: int = 1, **settings: object) -> None:
        environment = tuned(**settings)
        super().__init__(kind, env=environment)
        self._starting = serve(kind, database_url=self.database_url, workers=workers, env=environment)

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        os.kill(self.server.pid, number)

    async def ended(self, *, within: float) -> int:
        return await asyncio.to_thread(self.server.process.wait, within)


@asynccontextmanager
async def streams(house: House, member: Member, count: int) -> AsyncIterator[list[SSE]]:
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(house.open(member)) for _ in range(count)]
        for one in opened:
            await one.until("stream.caught_up")
        yield opened


def deaf(house: House, member: Member) -> socket.socket:
    """Open a stream that is never read from, in a window that is soon full."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", house.server.port))
    client.sendall(f"GET /v1/stream?token={member.token} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


@each_server
async def test_a_server_that_ends_turns_newcomers_away_says_goodbye_and_is_gone_in_time(
    kind: Kind, workers: int
) -> None:
    with Ending(kind, workers=workers, DRAIN_LINGER=2) as house:
        owner = await house.owner()
        head = await house.clerk.head(org=owner.org)
        polling = asyncio.create_task(poll(house, owner, head))
        async with streams(house, owner, 8) as opened:
            loop = asyncio.get_running_loop()
            begun = loop.time()
            house.signal()
            goodbyes = [(await stream.rest())[-1] for stream in opened]
            said = loop.time() - begun
            async with house.open(owner) as refused, house.open(path="/readyz") as ready:
                assert (refused.status, (await refused.json())["error"]["code"]) == (503, "stream-unavailable")
                assert int(refused.headers["retry-after"]) >= 3
                assert (ready.status, (await ready.json())["status"]) == (503, "failing")
            status, answer = await polling
            assert (status, answer["events"], answer["cursor"]) == (200, [], head), "a long poll answers at once"
            assert {one async for one in readiness(house)} == {503}
            assert loop.time() - begun >= 2, "it lingers"
            await house.ended(within=10)
            took = loop.time() - begun
        assert [told(block)["reason"] for block in goodbyes] == ["shutdown"] * 8
        assert all(told(block)["reconnect"] and told(block)["retryMs"] >= 2000 for block in goodbyes)
        assert len({told(block)["retryMs"] // 500 for block in goodbyes}) >= 3, "they come back spread"
        assert said <= (1.0 if workers == 1 else 1.5), "a worker hears of it from its master, which looks every 0.5 s"
        assert took <= 6
        assert "Traceback" not in house.server.log(), house.server.tail()


async def readiness(house: House) -> AsyncIterator[int]:
    """Yield what `/readyz` answers until nobody does."""
    while (status := await asyncio.to_thread(readyz, house.server.port)) is not None:
        yield status


def readyz(port: int) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


async def poll(house: House, member: Member, after: str) -> tuple[int, Any]:
    async with house.open(member, path="/v1/events", after=after, wait="25") as answer:
        return answer.status, await answer.json(timeout=30)


@most_servers
async def test_whoever_does_not_read_or_has_not_finished_his_request_holds_up_nobodys_end(
    kind: Kind, workers: int
) -> None:
    with Ending(kind, workers=workers, SLOW_WRITE=60) as house:
        owner = await house.owner()
        silent = deaf(house, owner)
        half_sent = socket.create_connection(("127.0.0.1", house.server.port))
        half_sent.sendall(b"POST /v1/vendors HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{")
        async with streams(house, owner, 4) as opened:
            await house.clerk.emit(org=owner.org, count=150, width=60_000)
            for stream in opened:
                for _ in range(150):
                    await stream.next(event="change.detected")
            loop = asyncio.get_running_loop()
            begun = loop.time()
            house.signal()
            goodbyes = [(await stream.rest())[-1] for stream in opened]
            await house.ended(within=15)
            took = loop.time() - begun
        silent.close()
        half_sent.close()
        assert [told(block)["reason"] for block in goodbyes] == ["shutdown"] * 4
        assert took <= 1 + 5 + 2, "lingering, the server's own grace for the half-sent request, and its end"
        assert "streaming/asgi" not in house.server.log(), house.server.tail()
        if kind == "uvicorn":
            assert "Cancel 1 running task(s)" in house.server.log(), "nothing but the half-sent request is left by then"


@most_servers
async def test_a_second_sigterm_hurries_and_breaks_nothing(kind: Kind, workers: int) -> None:
    with Ending(kind, workers=workers, DRAIN_LINGER=30) as house:
        owner = await house.owner()
        async with streams(house, owner, 6) as opened:
            loop = asyncio.get_running_loop()
            begun = loop.time()
            for process in house.server.family():  # as systemd tells every process of a unit
                process.send_signal(signal.SIGTERM)
            goodbyes = [(await stream.rest())[-1] for stream in opened]
            for process in house.server.family():
                process.send_signal(signal.SIGTERM)
            await house.ended(within=15)
            took = loop.time() - begun
        assert [told(block)["reason"] for block in goodbyes] == ["shutdown"] * 6
        assert took <= 5
        assert "Traceback" not in house.server.log(), house.server.tail()


@one_server
async def test_without_a_goodbye_clients_resume_all_the_same(kind: Kind) -> None:
    with Ending(kind) as house:
        owner = await house.owner()
        async with streams(house, owner, 3) as opened:
            await house.clerk.emit(org=owner.org, count=5)
            for stream in opened:
                await stream.next(event="change.detected")
            await asyncio.to_thread(house.server.kill)
            for stream in opened:
                await stream.rest()
            seen = [headlines(stream.blocks) for stream in opened]
            assert not any(block.event == "stream.closing" for stream in opened for block in stream.blocks)
        await house.clerk.emit(org=owner.org, count=5, start=6)
        await asyncio.to_thread(house.server.start)
        for stream, before in zip(opened, seen, strict=True):
            async with house.open(owner, cursor=stream.last_event_id) as again:
                assert told(await again.next())["resume"] == "ok"
                assert before + headlines(await again.until("stream.caught_up")) == list(range(1, 11))


@one_server
async def test_connections_are_rotated_spread_over_their_lives_and_lose_nothing(kind: Kind) -> None:
    with Ending(kind, LIFE_MIN=1.0, LIFE_MAX=4.0, STREAM_MAX_PER_USER=0) as house:
        owner = await house.owner()
        loop = asyncio.get_running_loop()
        head = await house.clerk.head(org=owner.org)
        writing = asyncio.create_task(house.clerk.emit(org=owner.org, count=150, rate=30))
        ends: list[float] = []

        async def follow() -> list[int]:
            seen: list[int] = []
            cursor = head
            while len(seen) < 150:
                begun = loop.time()
                async with house.open(owner, cursor=cursor) as stream:
                    async for block in stream:
                        if block.event == "change.detected":
                            seen += headlines([block])
                        if block.event == "stream.closing":
                            assert (told(block)["reason"], told(block)["reconnect"]) == ("rotated", True)
                            ends.append(loop.time() - begun)
                        if len(seen) == 150:
                            break
                    cursor = stream.last_event_id
            return seen

        async with asyncio.timeout(60):
            lists = await asyncio.gather(*(follow() for _ in range(12)))
        await writing
        assert all(one == list(range(1, 151)) for one in lists)
        assert len(ends) >= 12
        assert 1.0 <= min(ends) <= max(ends) <= 4.5
        assert max(ends) - min(ends) >= 1.0, "they do not all end together"
