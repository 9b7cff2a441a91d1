"""The hub in a real Chromium while a server dies and comes back, a network breaks, a proxy cuts, a laptop sleeps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page

from tests.hub.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.servers]

POLLING_WITHIN = 5.0
SLACK = 1.0
"""Seconds that a timer may be late on a machine that is busy with a server's start."""


async def outage(stage: Stage, page: Page) -> dict[str, Any]:
    """Kill the server, write meanwhile, start it again; return what the page went through."""
    await stage.until(page, "Date.now() - hub.health.since > 1_000")  # one that dies sooner counts as cut by somebody
    await page.evaluate("() => { seen.states.length = seen.records.length = 0; }")
    stage.requests.clear()
    await asyncio.to_thread(stage.server.kill)
    await stage.until(page, "hub.health.fallbackActive", within=POLLING_WITHIN + SLACK)
    await stage.emit(5)
    await asyncio.to_thread(stage.server.start)
    await stage.until(page, "hub.health.status === 'healthy'")
    polls = len(stage.polls())
    await stage.emit(5)
    await stage.until(page, f"seen.ids.length >= {len(stage.emitted)}")
    records = await stage.seen(page, "records")
    polling = next(record for record in records if record["fallbackActive"])
    back = next(record for record in records if record["status"] == "healthy")
    return {
        "states": await stage.seen(page, "states"),
        "polling after": (polling["now"] - polling["lostAt"]) / 1_000,
        "down for": (back["now"] - polling["lostAt"]) / 1_000,
        "polls": polls,
        "polls afterwards": len(stage.polls()) - polls,
    }


async def outages(stage: Stage, times: int) -> None:
    page = await stage.page()
    for time in range(times):
        told = await outage(stage, page)
        print(f"outage {time + 1}: {told}")
        assert told["states"] == ["recovering", "degraded", "healthy"], told
        assert told["polling after"] <= POLLING_WITHIN + SLACK, told
        assert told["polls"] >= 1, told
        assert told["polls afterwards"] == 0, told
        assert await stage.seen(page) == stage.emitted, f"outage {time + 1}"
    assert len(await stage.seen(page, "fresh")) == 1, "nothing had to be read again"


@pytest.mark.timeout(240)
async def test_a_killed_server_costs_no_event_and_none_is_shown_twice(stage: Stage) -> None:
    await outages(stage, 1)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_a_server_killed_twenty_times_costs_no_event_and_none_is_shown_twice(stage: Stage) -> None:
    await outages(stage, 20)


async def test_where_a_proxy_cuts_every_stream_the_page_polls_and_has_every_event(stage: Stage) -> None:
    await stage.board("cut")
    await stage.context.add_init_script("Math.random = () => 0")  # no pause longer than half a second
    page = await stage.open()
    await stage.until(page, "hub.health.fallbackActive && seen.fresh.length === 1", within=40)
    deaths = (await stage.board())["opened"]
    assert deaths >= 3, "five seconds without a stream come only after them"
    await stage.emit(20, rate=10)
    await stage.until(page, "seen.ids.length === 20")
    await stage.board("pass")
    await stage.until(page, "hub.health.status === 'healthy'", within=60)
    await stage.emit(5)
    await stage.until(page, "seen.ids.length === 25")
    assert await stage.seen(page) == stage.emitted


async def test_a_laptop_that_slept_for_ten_minutes_is_back_at_once_with_what_it_missed(stage: Stage) -> None:
    page = await stage.context.new_page()
    await page.clock.install()
    await page.goto(stage.address())
    await stage.until(page, "globalThis.hub?.health.status === 'healthy' && seen.fresh.length > 0")
    await stage.emit(3)
    await stage.until(page, "seen.ids.length === 3")
    await page.clock.pause_at(await page.evaluate("() => Date.now() / 1_000 + 1"))  # seconds
    await stage.board("mute")  # the connection stays, and nothing comes through it any more
    await stage.emit(10)
    before = (await stage.board())["opened"]
    await page.clock.fast_forward(600_000)
    await stage.board("pass")
    await page.clock.resume()
    await stage.until(page, "hub.health.status === 'healthy' && seen.ids.length === 13", within=10)
    assert await stage.seen(page) == stage.emitted
    assert (await stage.board())["opened"] == before + 1
    assert stage.polls() == [], await stage.seen(page, "records")


async def test_without_a_network_nothing_is_asked_and_with_it_everything_comes(stage: Stage) -> None:
    page = await stage.page()
    await stage.context.set_offline(True)
    await stage.until(page, "hub.health.online === false")
    assert await page.text_content("#words") == "Offline"
    await stage.emit(5)
    asked = len(stage.requests)
    await stage.until(page, "hub.health.status === 'degraded'")
    assert stage.requests[asked:] == []
    await stage.context.set_offline(False)
    await stage.until(page, "hub.health.status === 'healthy' && seen.ids.length === 5")
    assert await stage.seen(page) == stage.emitted


async def test_a_token_that_ends_is_replaced_without_a_gap(stage: Stage) -> None:
    """The page's token lives for two seconds; events come all the while."""
    tokens: list[str] = []

    async def new_token() -> dict[str, Any]:
        tokens.append(await stage.token(seconds=2))
        return {"token": tokens[-1], "expiresAt": await page.evaluate("() => Date.now() + 2_000")}

    page = await stage.context.new_page()
    await page.expose_function("newToken", new_token)
    await page.goto(stage.address(token=True))
    await stage.until(page, "globalThis.hub?.health.status === 'healthy' && seen.fresh.length > 0")
    while len(tokens) < 4:
        await stage.emit(4, rate=40)
    await stage.until(page, f"seen.ids.length >= {len(stage.emitted)}")
    assert await stage.seen(page) == stage.emitted
    assert await stage.seen(page, "states") == ["healthy"]
    assert stage.polls() == []
    await stage.streams(1)
    assert not any(token in url for token in tokens for url in stage.requests)


async def test_with_a_ticket_a_page_opens_its_stream_and_with_the_servers_token_it_comes_back(stage: Stage) -> None:
    await stage.context.add_cookies([{"name": "csrftoken", "value": "a" * 32, "url": stage.server.url}])
    page = await stage.page(auth={"ticket": True})
    cursors = await stage.emit(3)
    await stage.until(page, "seen.ids.length === 3")
    await asyncio.to_thread(stage.server.kill)
    cursors += await stage.emit(3)
    await asyncio.to_thread(stage.server.start)
    await stage.until(page, "seen.ids.length === 6 && hub.health.status === 'healthy'", within=45)
    assert await stage.seen(page) == cursors
    opened = [url for url in stage.requests if "/v1/stream?" in url]
    assert "ticket=rlt_" in opened[0]
    assert any("token=rlr_" in url for url in opened[1:]), opened


async def test_a_feed_that_is_switched_off_while_it_is_open_is_polled_until_it_is_on_again(stage: Stage) -> None:
    page = await stage.page()
    await stage.emit(3)
    await stage.clerk.switch(org=stage.member.org, on=False)
    await stage.until(page, "hub.health.fallbackActive", within=10 + POLLING_WITHIN + SLACK)
    await stage.emit(3)
    await stage.until(page, "seen.ids.length === 6")
    assert (await stage.board())["open"] == 0
    await stage.clerk.switch(org=stage.member.org, on=True)
    await stage.until(page, "hub.health.status === 'healthy'", within=40)
    await stage.emit(3)
    await stage.until(page, "seen.ids.length === 9")
    assert await stage.seen(page) == stage.emitted
    assert len(await stage.seen(page, "fresh")) == 1, "nothing had to be read again"


async def test_a_page_whose_flag_is_off_polls_and_streams_when_it_is_switched_on(stage: Stage) -> None:
    page = await stage.open(stream=False)
    await stage.until(page, "hub.health.fallbackActive && seen.fresh.length === 1")
    await stage.emit(3)
    await stage.until(page, "seen.ids.length === 3")
    assert (await stage.board())["opened"] == 0
    await page.evaluate("hub.useStream(true)")
    await stage.until(page, "hub.health.status === 'healthy'")
    await stage.emit(3)
    await stage.until(page, "seen.ids.length === 6")
    await page.evaluate("hub.useStream(false)")
    await stage.streams(0)
    await stage.emit(3)
    await stage.until(page, "seen.ids.length === 9")
    assert await stage.seen(page) == stage.emitted
