"""The board in a real Chromium against the real server: what a person sees, hears and presses."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.dashboard.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.servers]


async def test_a_change_appears_opens_and_is_acted_upon_without_the_mouse(here: Desk) -> None:
    page = await here.sit_down()
    await here.find("P1", "Courts go")
    rows = page.locator(".row")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("P1")
    await expect(rows.first).to_contain_text("Notary")
    await expect(page.locator("#spoken")).to_have_text("P1, Notary: Courts go")
    await expect(page.locator("#link")).to_contain_text("last event")

    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.locator("#open-title")).to_have_text("Notice grows to 60 days")
    await expect(page.locator("#open ins")).to_have_text("sixty")
    await expect(page.locator("#open del")).to_have_text("thirty")
    await page.keyboard.press("a")
    await expect(rows.nth(1)).to_contain_text("Acknowledged · Ann")
    await page.keyboard.press("s")
    await expect(rows.nth(1)).to_contain_text("In progress · Ann")
    await page.keyboard.press("z")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-part=meta]")).to_contain_text("Snoozed until")
    await page.keyboard.press("Escape")
    await expect(page.locator("#open")).to_be_hidden()
    await expect(rows).to_have_count(1)
    assert here.complaints == []


async def test_what_a_page_said_is_text_and_a_strange_address_no_link(here: Desk) -> None:
    page = await here.sit_down()
    await page.click(".row-button")
    await expect(page.locator(".diff")).to_contain_text("<b>x</b>")
    await expect(page.locator(".sources")).to_contain_text("javascript:alert(1)")
    assert await page.locator(".sources a").count() == 0
    assert here.complaints == []


async def test_what_one_reads_stays_put_when_something_worse_comes_in(here: Desk) -> None:
    page = await here.sit_down()
    await page.click(".row-button")
    before = await page.locator(".is-open").bounding_box()
    await here.find("P1", "Worse", count=20)
    await expect(page.locator("[data-part=above]")).to_have_text("20 new above")
    assert await page.locator(".is-open").bounding_box() == before
    await page.click("[data-part=above]")
    await expect(page.locator("[data-part=above]")).to_be_hidden()
    await expect(page.locator(".row").first).to_be_in_viewport()


async def test_a_refusal_stands_beside_the_button_and_the_old_state_is_back(here: Desk) -> None:
    page = await here.sit_down()
    await page.click(".row-button")
    refusal = {"error": {"code": "conflict", "message": "Somebody was faster.", "requestId": "r"}}
    await page.route("**/acknowledge?*", lambda route: route.fulfill(status=409, json=refusal))
    await page.click("text=Acknowledge")
    await expect(page.locator(".acts [role=alert]")).to_have_text("Somebody was faster.")
    await expect(page.locator(".row")).to_contain_text("New")


async def test_a_viewer_reads_and_is_told_why_he_cannot_act(here: Desk) -> None:
    page = await here.sit_down("vic")
    await page.click(".row-button")
    await expect(page.locator("[data-part=locked]")).to_contain_text("viewer")
    await page.keyboard.press("a")
    await expect(page.locator("[data-to=acknowledged]")).to_have_attribute("aria-disabled", "true")
    await expect(page.locator(".row")).to_contain_text("New")


async def test_a_vendor_is_added_and_a_refused_one_keeps_what_was_typed(here: Desk) -> None:
    page = await here.sit_down()
    await page.click("[data-add]:visible")
    await page.fill("#vendor-name", "Paper & Sons")
    await page.fill("#vendor-home", "http://localhost")
    await page.fill("[name=page]", "ftp://paper.example/terms")
    await page.click("text=Watch this vendor")
    await expect(page.locator("[data-error=pages]")).to_contain_text("valid URL")
    assert await page.input_value("#vendor-name") == "Paper & Sons"
    await page.fill("#vendor-home", "https://paper.example")
    await page.fill("[name=page]", "https://paper.example/terms")
    await page.click("text=Watch this vendor")
    await expect(page.locator("#add-vendor")).to_be_hidden()
    await expect(page.locator("[data-part=vendors-summary]")).to_contain_text("2 watched")


async def test_a_vendor_is_edited_and_watched_no_more(here: Desk) -> None:
    page = await here.sit_down()
    await page.click(".all-vendors summary")
    await page.get_by_role("button", name="Edit Notary").click()
    assert await page.input_value("#vendor-home") == "https://notary.example"
    await page.fill("#vendor-name", "Notary & Daughters")
    await page.fill("[name=page]", "https://notary.example/terms")
    await page.uncheck("[name=isWatched]")
    await page.click("text=Save")
    await expect(page.locator("#add-vendor")).to_be_hidden()
    await expect(page.locator(".watched")).to_contain_text("Notary & Daughters")
    await expect(page.locator(".watched")).to_contain_text("not watched")
    await expect(page.locator(".row")).to_contain_text("Notary & Daughters")
    await page.click("[data-add]:visible")
    assert await page.input_value("#vendor-name") == ""
    assert here.complaints == []


async def test_a_stream_that_ends_is_said_and_found_again(here: Desk) -> None:
    page = await here.sit_down()
    await asyncio.to_thread(here.house.server.terminate)
    await expect(page.locator("#link")).to_contain_text("Reconnecting")
    await expect(page.locator("#trace")).to_have_class("trace trace-recovering")
    await asyncio.to_thread(here.house.server.start)
    await here.find("P3", "Meanwhile")
    await expect(page.locator(".row")).to_have_count(2, timeout=40_000)
    await expect(page.locator("#link")).to_contain_text("Live", timeout=40_000)


async def test_two_boards_of_one_browser_share_one_stream_and_both_see_everything(here: Desk) -> None:
    first = await here.sit_down()
    second = await first.context.new_page()
    opened: list[str] = []
    second.on("request", lambda request: opened.append(request.url))
    await second.goto(f"{here.house.server.url}/")
    await expect(second.locator("#link")).to_contain_text("Live")
    await here.find("P1", "Courts go")
    for page in (first, second):
        await expect(page.locator(".row")).to_have_count(2)
    assert [url for url in opened if "/v1/stream?" in url] == []
    await first.close()
    await here.find("P2", "Notice shrinks")
    await expect(second.locator(".row")).to_have_count(3)
    await expect(second.locator("#link")).to_contain_text("Live")
    assert len([url for url in opened if "/v1/stream?" in url]) == 1


async def test_a_phone_shows_the_open_change_as_a_sheet_and_nothing_sideways(here: Desk) -> None:
    page = await here.sit_down(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    await page.click(".row-button")
    box = await page.locator("#open").bounding_box()
    assert box is not None
    assert (box["x"], box["width"], box["y"] + box["height"]) == (0, 390, 844)
    await expect(page.locator("#close")).to_be_focused()
    await page.click("#close")
    await expect(page.locator(".row-button")).to_be_focused()


async def test_the_chosen_theme_outlives_the_page(here: Desk) -> None:
    page = await here.sit_down(color_scheme="light")
    await page.click("[data-theme-toggle]")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
