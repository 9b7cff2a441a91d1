"""What a page puts on top of a hub, in a real Chromium: the element, notifications, telemetry by beacon."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.environment import ROOT
from tests.hub.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.servers]

PUT = """async () => {
  globalThis.seen = { ids: [], healths: [], fresh: 0 };
  document.addEventListener("change.detected", ({ target, detail }) => seen.ids.push(detail.id));
  document.addEventListener("stream-health", ({ detail }) => seen.healths.push(detail.status));
  document.addEventListener("stream-fresh", () => (seen.fresh += 1));
  document.addEventListener("securitypolicyviolation", ({ blockedURI }) => { throw new Error(blockedURI); });
  await import("/static/streaming/element.js");
  document.body.insertAdjacentHTML("beforeend", `<redline-stream url="/v1/stream" types="run.stage, change.detected">`);
}"""


async def test_the_element_tells_events_by_dom_events_and_its_health_in_words(stage: Stage) -> None:
    page = await stage.context.new_page()
    await page.goto(f"{stage.server.url}/")  # a page under the project's own content security policy
    await page.evaluate(PUT)
    words = page.locator("redline-stream [role=status]")
    await expect(words).to_have_text("Live")
    await expect(words).to_have_attribute("aria-live", "polite")
    await stage.until(page, "seen.fresh === 1")
    cursors = await stage.emit(3)
    await stage.until(page, "seen.ids.length === 3")
    assert await stage.seen(page) == cursors
    await stage.context.set_offline(True)
    await expect(words).to_have_text("Offline")
    await stage.context.set_offline(False)
    await expect(words).to_have_text("Live")
    assert "healthy" in await stage.seen(page, "healths")
    await page.evaluate("() => document.querySelector('redline-stream').remove()")
    await stage.streams(1)  # the board's own


async def test_what_the_readme_says_works_as_it_stands(stage: Stage) -> None:
    readme = (ROOT / "streaming" / "README.md").read_text()
    code = re.search(r'<script type="module">\n(.*?)</script>', readme, re.DOTALL)
    assert code is not None
    page = await stage.context.new_page()
    await page.goto(f"{stage.server.url}/healthz")
    script = code[1].replace('"/events"', '"/v1/stream"').replace("order.changed", "change.detected")
    async with page.expect_console_message(lambda message: message.text == "read your state"):
        await page.add_script_tag(content=script, type="module")
    async with page.expect_console_message(lambda message: message.text.startswith("news:")):
        await stage.emit()


async def test_an_element_that_is_pointed_elsewhere_follows(stage: Stage) -> None:
    page = await stage.context.new_page()
    await page.goto(f"{stage.server.url}/healthz")
    await page.evaluate(PUT)
    await stage.until(page, "seen.fresh === 1")
    await page.evaluate("() => document.querySelector('redline-stream').setAttribute('types', 'change.detected')")
    await stage.until(page, "seen.fresh === 2")
    await page.evaluate("() => document.querySelector('redline-stream').setAttribute('url', '/v1/nowhere')")
    await expect(page.locator("redline-stream [role=status]")).to_have_text("There is no such stream")
    await stage.streams(0)


async def test_a_notification_is_shown_once_and_not_while_muted(stage: Stage) -> None:
    await stage.context.grant_permissions(["notifications"], origin=stage.server.url)
    page = await stage.page()
    told = await page.evaluate(
        """async () => {
          const { createNotifier } = await import("/static/streaming/hub.js");
          const one = createNotifier(), other = createNotifier();
          const show = (notifier, tag) => notifier.show("P1", { tag, body: "Notice grows", evenIfVisible: true });
          const told = [one.permission, show(one, "chg_1"), show(other, "chg_1")];
          one.mute(Date.now() + 60_000);
          told.push(show(other, "chg_2"));
          other.unmute();
          return [...told, show(one, "chg_2"), one.show("seen", { tag: "chg_3" })];
        }"""
    )
    assert told == ["granted", True, False, False, True, False], "the last one: somebody is looking at the page"


async def test_telemetry_outlives_its_page(stage: Stage) -> None:
    page = await stage.page(latency=True)
    await stage.context.set_offline(True)
    await stage.until(page, "hub.health.status === 'degraded'")
    await stage.context.set_offline(False)
    await stage.until(page, "hub.health.status === 'healthy'")
    await page.goto("about:blank")
    records = (await stage.board_shows(lambda board: bool(board["telemetry"])))["telemetry"]
    assert [record["type"] for record in records] == ["fallback", "degraded"]
    assert records[1]["durationMs"] >= 0
