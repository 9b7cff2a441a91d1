"""The past in a real Chromium: the board goes back, nothing is lost meanwhile, and it comes back at once."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from tests.dashboard.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.servers]

MOVE = """
from redline.monitoring import services
from redline.monitoring.models import *
services.acknowledge(ChangeReport.objects.get(org__slug="{slug}", headline="{headline}"), by="usr_system")
"""


async def between(page: Page) -> float:
    """Return an instant that lies well after what has happened, and before what comes."""
    await asyncio.sleep(1.5)  # what is waited for is the time itself: the slider counts in seconds
    return float(await page.evaluate("Date.now()"))


async def drag_to(page: Page, instant: float) -> None:
    """Move the slider to an instant, as a hand does."""
    slider = page.get_by_role("slider")
    await expect(slider).to_be_enabled()
    box = await slider.bounding_box()
    assert box is not None
    place = "(i, at) => { const max = Number(i.max); return (max - (Date.now() - at) / 1000) / max }"
    part = await slider.evaluate(place, instant)
    await page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    await page.mouse.down()
    await page.mouse.move(box["x"] + 8 + (box["width"] - 16) * part, box["y"] + box["height"] / 2, steps=4)
    await page.mouse.up()


async def test_the_past_is_shown_acting_is_off_and_nothing_is_lost_meanwhile(here: Desk) -> None:
    page = await here.sit_down()
    await here.find("P2", "Earlier")
    rows = page.locator(".row")
    await expect(rows).to_have_count(2)
    then = await between(page)
    await here.find("P1", "Later")
    await here.shell(MOVE, headline="Earlier")
    await expect(rows).to_have_count(3)
    await expect(rows.filter(has_text="Earlier")).to_contain_text("Acknowledged")

    await drag_to(page, then)
    await expect(page.locator("#past")).to_contain_text("As of")
    await expect(page.locator("#trace")).to_have_class("trace trace-live is-past")
    await expect(rows).to_have_count(2)
    await expect(rows.filter(has_text="Earlier")).to_contain_text("New")
    await rows.filter(has_text="Notice grows").locator("button").click()
    await expect(page.locator("#open del")).to_have_text("thirty")
    await expect(page.locator("[data-part=locked]")).to_contain_text("In the past")
    await expect(page.locator("[data-to=acknowledged]")).to_have_attribute("aria-disabled", "true")
    await page.keyboard.press("a")
    await expect(rows.filter(has_text="Notice grows")).to_contain_text("New")

    await here.find("P1", "Meanwhile")
    await expect(page.locator("#past")).to_contain_text("1 new change meanwhile, 1 of them P1")
    await expect(rows).to_have_count(2)
    await page.click("text=Back to live")
    await expect(page.locator("#past")).to_be_hidden()
    await expect(rows).to_have_count(4)
    await expect(rows.filter(has_text="Earlier")).to_contain_text("Acknowledged")
    assert here.complaints == []


async def test_the_past_plays_by_keyboard_until_it_is_the_present(here: Desk) -> None:
    page = await here.sit_down()
    slider = page.get_by_role("slider")
    await expect(slider).to_have_attribute("aria-valuetext", "Live")
    await between(page)
    await here.find("P1", "Found")
    await expect(page.locator(".row")).to_have_count(2)
    await expect(slider).to_be_enabled()

    await page.keyboard.press("t")
    await expect(slider).to_be_focused()
    await expect(page.locator("#past")).to_be_visible()
    await page.keyboard.press("t")
    await expect(page.locator("#past")).to_be_hidden()
    await page.keyboard.press("t")
    await expect(page.locator("#past")).to_be_visible()
    await page.keyboard.press("Home")
    await expect(page.locator(".row")).to_have_count(1)
    await expect(page.locator("#spoken")).to_contain_text("The board shows the past")
    await page.click("[data-rate='10']")
    await expect(page.locator("[data-rate='10']")).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#past")).to_be_hidden(timeout=15_000)
    await expect(page.locator(".row")).to_have_count(2)
    await expect(slider).to_have_attribute("aria-valuetext", "Live")
    assert here.complaints == []
