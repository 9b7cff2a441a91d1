"""Clients that others have written read our streams: curl, httpx with httpx-sse."""

from __future__ import annotations

import asyncio
import shutil

import httpx
import httpx_sse
import pytest

from tests.acceptance.house import House, headlines
from tests.sse_parser import SSEParser

pytestmark = pytest.mark.servers


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
async def test_curl_shows_events_as_they_come(house: House) -> None:
    owner = await house.owner()
    cursor = (await house.clerk.emit(org=owner.org, count=3))[0]
    curl = await asyncio.create_subprocess_exec(
        *("curl", "-sN", "-H", f"Authorization: Bearer {owner.token}", "-H", f"Last-Event-ID: {cursor}"),
        house.url(),
        stdout=asyncio.subprocess.PIPE,
    )
    assert curl.stdout is not None
    parser, blocks = SSEParser(), []
    try:
        async with asyncio.timeout(10):
            while len(headlines(blocks)) < 2:
                blocks += parser.feed(await curl.stdout.read(4096))
            await house.clerk.emit(org=owner.org, count=1, start=4)
            while len(headlines(blocks)) < 3:
                blocks += parser.feed(await curl.stdout.read(4096))
    finally:
        curl.kill()
        await curl.wait()
    assert headlines(blocks) == [2, 3, 4]
    assert blocks[0].event == "stream.open"


async def test_httpx_sse_reads_resumes_and_is_told_nothing_twice(house: House) -> None:
    owner = await house.owner()
    cursor, seen, empty = await house.clerk.head(org=owner.org), [], 0
    await house.clerk.emit(org=owner.org, count=20)
    async with httpx.AsyncClient(timeout=10) as client:
        for _ in range(5):
            headers = {**owner.headers, "Last-Event-ID": cursor}
            async with httpx_sse.aconnect_sse(client, "GET", house.url(), headers=headers) as source:
                async for event in source.aiter_sse():
                    cursor = event.id or cursor
                    empty += event.event == "message"
                    if event.event == "change.detected":
                        seen.append(int(event.json()["headline"]))
                        if len(seen) % 5 == 0:
                            break
                    if len(seen) == 20 and empty:
                        break
    assert seen == list(range(1, 21))
    assert empty <= 1, "a comment shows as an empty message, which is to be ignored"
