from __future__ import annotations

import asyncio
import socket

import pytest

from tests.acceptance.house import House, told

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("reset", [False, True])
async def test_a_client_that_leaves_frees_its_place_within_a_second(house: House, reset: bool) -> None:
    owner = await house.owner()
    openings = [house.open(owner) for _ in range(10)]
    streams = [await opening.__aenter__() for opening in openings]
    for stream in streams:
        await stream.until("stream.caught_up")
    async with house.open(owner) as refused:
        assert refused.status == 429
    streams[0].cut(reset=reset)
    loop = asyncio.get_running_loop()
    left = loop.time()
    while True:
        async with house.open(owner, method="GET") as again:
            if again.status == 200:
                break
        assert loop.time() - left <= 2
    for opening in openings:
        await opening.__aexit__(None, None, None)


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_sigterm_says_goodbye_to_all_within_the_grace_even_beside_a_half_sent_post(kind: str) -> None:
    with House(kind) as house:  # type: ignore[arg-type]
        owner = await house.owner()
        half_sent = socket.create_connection(("127.0.0.1", house.server.port))
        half_sent.sendall(b"POST /v1/vendors HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{")
        openings = [house.open(owner) for _ in range(8)]
        streams = [await opening.__aenter__() for opening in openings]
        for stream in streams:
            await stream.until("stream.caught_up")
        loop = asyncio.get_running_loop()
        begun = loop.time()
        ending = asyncio.create_task(asyncio.to_thread(house.server.terminate, within=10))
        goodbyes = [(await stream.rest())[-1] for stream in streams]
        assert loop.time() - begun <= 2
        assert [told(block)["reason"] for block in goodbyes] == ["shutdown"] * 8
        assert all(told(block)["reconnect"] for block in goodbyes)
        assert len({block.retry for block in goodbyes}) >= 4, "they come back spread"
        assert all(stream.clean for stream in streams)
        half_sent.close()
        await ending
        assert loop.time() - begun <= 7, "the servers' own grace is 5 s"
        assert "Traceback" not in house.server.log()
        assert "without completing response" not in house.server.log()


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_sigterm_with_open_streams_ends_the_server_at_once(kind: str) -> None:
    with House(kind) as house:  # type: ignore[arg-type]
        owner = await house.owner()
        async with house.open(owner) as stream, house.open(owner) as other:
            await stream.until("stream.caught_up")
            await other.until("stream.caught_up")
            loop = asyncio.get_running_loop()
            begun = loop.time()
            await asyncio.to_thread(house.server.terminate, within=10)
            assert loop.time() - begun <= 3
            assert told((await stream.rest())[-1])["reason"] == "shutdown"
