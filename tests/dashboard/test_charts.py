"""The charts in a real Chromium: drawn under the page's policy, and said in words."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.dashboard.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.servers]

# Whether a chart's canvas shows anything, and in which colour most of it.
INK = """(canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  const colours = new Map();
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] < 255) continue;
    const colour = [data[i], data[i + 1], data[i + 2]].join(" ");
    colours.set(colour, (colours.get(colour) ?? 0) + 1);
  }
  return [...colours].sort((a, b) => b[1] - a[1]).map(([colour]) => colour);
}"""


async def colours(page: Page, part: str) -> list[str]:
    found: list[str] = await page.locator(f"[data-part={part}] canvas").evaluate(INK)
    return found


async def test_what_happens_is_counted_measured_drawn_and_said(here: Desk) -> None:
    page = await here.sit_down(color_scheme="light")
    await expect(page.locator("#charts figcaption").first).to_contain_text("1 in the last minute")
    await here.find("P2", "Measured", count=5)
    await expect(page.locator(".row")).to_have_count(6)
    await expect(page.locator("#charts figcaption").first).to_contain_text("6 in the last", timeout=30_000)
    words = page.locator("#charts figcaption").last
    await expect(words).to_contain_text("Half of 5 events within")
    assert re.search(r"within (\d+ ms|[\d.]+ s), 99 of 100 within (\d+ ms|[\d.]+ s)\.$", await words.inner_text())
    await expect(page.locator("#link")).to_contain_text("from commit to screen")
    assert "98 96 91" in await colours(page, "latency"), "in a colour of the light theme"
    await page.click("[data-theme-toggle]")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.wait_for_timeout(100)  # two frames
    assert "163 160 154" in await colours(page, "latency"), "and of the dark one, without a new page"
    assert here.complaints == []
