"""The hub in a real Chromium while everything is well: what another process commits is on the page."""

from __future__ import annotations

import asyncio

import pytest

from tests.acceptance.house import Clerk
from tests.browser import chromium
from tests.hub.stage import Stage
from tests.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.servers]


async def test_what_another_process_commits_is_visible_within_two_seconds_without_a_poll(stage: Stage) -> None:
    page = await stage.page()
    cursors = await stage.emit()
    await stage.until(page, "seen.ids.length === 1", within=2)
    cursors += await stage.emit(50)
    await stage.until(page, "seen.ids.length === 51", within=2)
    assert await stage.seen(page) == cursors
    assert stage.polls() == []
    await stage.streams(1)
    assert await page.text_content("#words") == "Live"


async def test_a_page_in_the_back_forward_cache_holds_no_stream_and_goes_on_where_it_was(
    running: tuple[Server, Clerk],
) -> None:
    async with chromium(without=["--disable-back-forward-cache"]) as browser:
        stage = await Stage.set(*running, await browser.new_context())
        page = await stage.page()
        cursors = await stage.emit(3)
        await stage.until(page, "seen.ids.length === 3")
        await page.goto(f"{stage.server.url}/healthz")
        await stage.streams(0)
        cursors += await stage.emit(3)
        await page.go_back(wait_until="commit")
        await stage.until(page, "seen.ids.length === 6")
        assert await stage.seen(page) == cursors
        assert (len(await stage.seen(page, "fresh")), stage.polls(), stage.complaints) == (1, [], [])


async def test_another_interest_replaces_the_stream_and_misses_nothing(stage: Stage) -> None:
    page = await stage.page()
    writing = asyncio.create_task(stage.emit(100, rate=50))
    for kind in ("run.stage", "scheduler.tick", "action.delivered"):
        await page.evaluate("(kind) => hub.subscribe(kind, () => {})", kind)
        await page.wait_for_timeout(300)
    cursors = await writing
    await stage.until(page, "seen.ids.length >= 100")
    assert await stage.seen(page) == cursors
    assert set(await stage.seen(page, "states")) == {"healthy"}
    board = await stage.streams(1)
    assert (board["opened"] >= 4, stage.polls()) == (True, [])
