"""Notifications of the board: chosen in the menu, shown for news while nobody looks, each once."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser import untouched
from tests.dashboard.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.servers]

# What the system is asked to show, written down on its way there.
LISTENING = """
window.shown = []; window.asked = 0;
const Real = window.Notification;
window.Notification = class extends Real {
  constructor(title, options) {
    super(title, options);
    window.shown.push([title, options.body, options.tag.slice(0, 4)]);
  }
  static requestPermission() { window.asked += 1; return Real.requestPermission(); }
};
"""

# A log that is not the one it was: every stream is told so, and then the state.
REPLACE = """
from streaming.models import Head
from redline.workspaces.models import *
Head.objects.filter(org=Org.objects.get(slug="{slug}").pk).update(epoch="ffffffff")
"""


async def choose(page: Page, level: str) -> None:
    await page.click(".account summary")
    await page.check(f"[name=notices][value={level}]")
    await page.click(".account summary")


async def test_nobody_is_asked_or_told_before_he_chose_and_then_only_what_he_chose(here: Desk) -> None:
    async with untouched() as context:
        await context.grant_permissions(["notifications"], origin=here.house.server.url)
        await context.add_init_script(LISTENING)
        page = await here.sit_down(context=context)
        front = await context.new_page()
        await front.bring_to_front()
        await page.wait_for_function("document.hidden")
        await here.find("P1", "Before anybody chose")
        await expect(page).to_have_title("(1 change) Redline — Here")  # what is hidden is not drawn, but counts
        assert await page.evaluate("[asked, shown]") == [0, []]

        await page.bring_to_front()
        await choose(page, "P1")
        await expect(page.locator("#notices p")).to_be_hidden()
        await here.find("P1", "While somebody looks")
        await expect(page.locator(".row")).to_have_count(3)
        await front.bring_to_front()
        await page.wait_for_function("document.hidden")
        await here.find("P2", "Not grave enough")
        await here.find("P1", "Grave")
        await expect(page).to_have_title("(2 changes) Redline — Here")
        assert await page.evaluate("shown") == [["P1 · Notary", "Grave", "chg_"]]

        await page.bring_to_front()
        await page.reload()
        await expect(page.locator(".row")).to_have_count(5)
        await front.bring_to_front()
        await page.wait_for_function("document.hidden")
        async with page.expect_request("**/v1/changes?*", timeout=20_000):  # which follows the state, after a reset
            await here.shell(REPLACE)
        assert await page.evaluate("shown") == [], "what is state is not told, and nothing twice"
        assert await page.locator("[name=notices][value=P1]").is_checked()


async def test_who_is_blocked_by_his_browser_is_told_so(here: Desk) -> None:
    async with untouched() as context:
        page = await here.sit_down(context=context)
        denied = {"permission": {"name": "notifications"}, "setting": "denied", "origin": here.house.server.url}
        await (await context.new_cdp_session(page)).send("Browser.setPermission", denied)
        await choose(page, "all")
        await expect(page.locator("#notices p")).to_contain_text("blocks notifications")
        await choose(page, "off")
        await expect(page.locator("#notices p")).to_be_hidden()
        assert here.complaints == []
