"""Clients as others have written them, left to themselves: the browser's EventSource and the npm package.

Both reconnect by themselves, with their own idea of when and from where. Each stream is cut after 0.3 s until there is
nothing left to cut; curl and httpx-sse are in `tests/acceptance/test_clients.py`.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests import binaries, services
from tests.environment import ROOT
from tests.hub.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.servers]

LISTEN = """(url) => {
  globalThis.seen = { ids: [], opened: [] };
  const source = new EventSource(url);
  source.addEventListener("change.detected", ({ lastEventId }) => seen.ids.push(lastEventId));
  source.addEventListener("stream.open", ({ data }) => seen.opened.push(JSON.parse(data).resume));
}"""


async def cut_while_writing(stage: Stage) -> None:
    """Write ten events on each of two streams that are cut, and ten on the one that stays."""
    opened = (await stage.board())["opened"]
    for cut in range(3):
        await stage.board_shows(lambda board, least=opened + cut: board["opened"] >= least)
        if cut == 2:
            await stage.board("pass")
        await stage.emit(10, rate=100)


async def test_the_browsers_event_source_resumes_by_itself_and_misses_nothing(stage: Stage) -> None:
    page = await stage.context.new_page()
    await page.goto(f"{stage.server.url}/healthz")
    await stage.board("cut")
    await page.evaluate(LISTEN, "/v1/stream?refusal=stream")
    await stage.until(page, "seen.opened.length === 1")
    await cut_while_writing(stage)
    await stage.until(page, "seen.ids.length >= 30", within=20)
    assert await stage.seen(page) == stage.emitted
    assert set((await stage.seen(page, "opened"))[1:]) == {"ok"}


async def test_the_npm_client_resumes_by_itself_and_misses_nothing(stage: Stage) -> None:
    library = ROOT / ".cache" / "eventsource" / "node_modules" / "eventsource" / "dist" / "index.js"
    node = binaries.node() or services.missing("Node", "install it, or playwright, which brings one")
    if not library.exists():
        services.missing("the npm package eventsource", "tests/run brings it")
    token = await stage.token(seconds=600)
    await stage.board("cut")
    client = await asyncio.create_subprocess_exec(
        *(str(node), str(Path(__file__).parent / "npm_client.mjs"), str(library)),
        *(f"{stage.server.url}/v1/stream", token, "change.detected", "stream.open"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert client.stdout is not None
    try:
        told = [json.loads(await asyncio.wait_for(client.stdout.readline(), 10))]
        assert told[0]["type"] == "stream.open"
        await cut_while_writing(stage)
        async with asyncio.timeout(20):
            while sum(one["type"] == "change.detected" for one in told) < 30:
                told.append(json.loads(await client.stdout.readline()))
    finally:
        client.kill()
        await client.wait()
    assert [one["lastEventId"] for one in told if one["type"] == "change.detected"] == stage.emitted
    assert {one["data"]["resume"] for one in told[1:] if one["type"] == "stream.open"} == {"ok"}
