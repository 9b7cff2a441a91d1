"""Every state of the board, wide and narrow, light and dark: no rule of accessibility is broken."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.dashboard.axe import violations
from tests.dashboard.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.servers]

LOOKS = {
    "wide, light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light", "reduced_motion": "reduce"},
    "narrow, dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "reduced_motion": "reduce"},
}
REFUSED = {"error": {"code": "internal", "message": "Something broke on our side.", "requestId": "r"}}
EMPTY = """
from redline.monitoring.models import *
Vendor.objects.filter(org__slug="{slug}").delete()
"""


@pytest.mark.parametrize("look", LOOKS)
async def test_no_state_breaks_a_rule(here: Desk, look: str) -> None:
    page = await here.sit_down(**LOOKS[look])
    broken: dict[str, list[str]] = {}

    async def judge(state: str, page: Page = page) -> None:
        broken[state] = await violations(page)

    await judge("live")
    await page.click(".all-vendors summary")
    await page.click(".account summary")
    await judge("menu")
    await page.click(".account summary")
    await page.click("[data-add]:visible")
    await judge("form")
    await page.keyboard.press("Escape")
    await page.click(".row-button")
    await expect(page.locator(".clause")).to_be_visible()
    await judge("open")
    await page.click("#snooze")
    await judge("snooze")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await judge("keys")
    await page.keyboard.press("Escape")
    await page.keyboard.press("t")
    await page.keyboard.press("End")
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator("#past")).to_be_visible()
    await judge("past")
    await page.context.set_offline(True)
    await expect(page.locator("#trace")).to_have_class("trace trace-offline is-past")
    await page.click("text=Back to live")
    await judge("offline")
    await judge("viewer", await reader(here, LOOKS[look]))
    await judge("error", await in_error(here, LOOKS[look]))
    await here.shell(EMPTY)
    await judge("empty", await here.sit_down(rows=0, **LOOKS[look]))
    assert {state: found for state, found in broken.items() if found} == {}


async def reader(desk: Desk, look: dict[str, Any]) -> Page:
    page = await desk.sit_down("vic", **look)
    await page.click(".row-button")
    await expect(page.locator("[data-part=locked]")).to_contain_text("viewer")
    return page


async def in_error(desk: Desk, look: dict[str, Any]) -> Page:
    page = await desk.sit_down(**look)
    await page.route("**/v1/*?*", lambda route: route.fulfill(status=500, json=REFUSED))
    await page.reload()
    await expect(page.locator("[data-part=note]")).to_contain_text("could not be loaded")
    return page
