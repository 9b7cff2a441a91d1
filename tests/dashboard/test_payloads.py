"""Texts of strangers in every field that reaches the board: nothing runs, and the policy is never even asked."""

from __future__ import annotations

import asyncio
import json

import pytest
from playwright.async_api import Page, expect

from tests.dashboard.desk import Desk
from tests.dashboard.payloads import PAYLOADS
from tests.servers import manage

pytestmark = [pytest.mark.browser, pytest.mark.servers]

# A row of every kind for each text, with the text in each of its fields that holds text.
WRITE = """
import json
from django.db import transaction
from django.utils import timezone
from redline.workspaces.models import *
from redline.monitoring.models import *
texts = json.loads({texts!r})
org = Org.objects.get(slug={slug!r})
now = timezone.now()
with transaction.atomic():
    for text in texts:
        vendor = Vendor.objects.create(org=org, name=text, homepage_url=text)
        page = vendor.pages.create(url=text, kind="terms")
        run = Run.objects.create(org=org, vendor=vendor, status="failed", finished_at=now)
        RunStage.objects.create(run=run, stage="fetch", status="failed", reason=text)
        report = ChangeReport.objects.create(
            org=org, vendor=vendor, run=run, severity="P2", headline=text, why=text, recommendation=text
        )
        report.changes.create(
            page=page, category="terms", materiality="material", section=text, summary=text, before=text, after=text,
            ops=[["equal", text], ["delete", text], ["insert", text]],
            citations=[dict(quote=text, section=text, url=text, fetchedAt=text)],
        )
        ChangeTransition.objects.create(report=report, from_state="new", to_state="new", by=text[:64], note=text)
        Action.objects.create(org=org, report=report, kind="email", status="failed", external_id=text, reason=text)
"""
PEOPLE = """
from redline.workspaces.models import *
Org.objects.filter(slug={slug!r}).update(name={text!r})
User.objects.filter(username="ann-" + {slug!r}).update(first_name={text!r})
"""
COUNTING = """
window.runs = 0; window.reports = [];
window.ran = () => { window.runs += 1; };
document.addEventListener("securitypolicyviolation", (event) => window.reports.push(event.violatedDirective));
"""


async def shell(desk: Desk, code: str) -> None:
    done = await asyncio.to_thread(manage, "shell", "-c", code, database_url=desk.house.database_url)
    assert done.returncode == 0, done.stderr[-2000:]


async def write(desk: Desk, texts: tuple[str, ...]) -> None:
    await shell(desk, WRITE.format(slug=desk.slug, texts=json.dumps(texts)))


async def outcome(page: Page) -> list[object]:
    return list(await page.evaluate("[runs, reports]"))


async def just_before_now(page: Page, rows: int) -> None:
    """Go to the last second of the past, until so many rows were there by then."""
    async with asyncio.timeout(20):
        while True:
            await page.keyboard.press("End")
            await page.keyboard.press("ArrowLeft")
            await expect(page.locator("#past")).to_be_visible()
            if await page.locator(".row").count() == rows:
                return
            await asyncio.sleep(0.5)


def test_there_are_two_hundred_of_them_and_no_two_alike() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) == 200
    assert all("ran()" in text and len(text) <= 120 for text in PAYLOADS)


@pytest.mark.parametrize(
    "texts", [pytest.param(PAYLOADS[::25], id="a few"), pytest.param(PAYLOADS, id="all", marks=pytest.mark.long)]
)
@pytest.mark.timeout(600)
async def test_no_text_runs_wherever_it_comes_from(here: Desk, texts: tuple[str, ...]) -> None:
    half = len(texts) // 2
    await write(here, texts[:half])
    page = await here.sit_down(rows=1 + half)
    # The page itself was made before the texts were in its names: it is loaded again with them.
    await page.context.add_init_script(COUNTING)
    await shell(here, PEOPLE.format(slug=here.slug, text=texts[0]))
    await page.reload()
    rows = page.locator(".row")
    await expect(rows).to_have_count(1 + half)
    await write(here, texts[half:])  # and now by the stream
    await expect(rows).to_have_count(1 + len(texts), timeout=60_000)
    await page.click(".all-vendors summary")
    shown = await page.locator(".row .headline").all_text_contents()
    assert set(texts) <= set(shown), "each is shown as it is"

    for button in await rows.locator("button").all():
        await button.evaluate("(button) => button.click()")
        await expect(page.locator(".clause, #open[hidden]").first).to_be_attached()
    assert await outcome(page) == [0, []]

    await page.keyboard.press("Escape")
    await page.keyboard.press("t")
    await expect(page.locator("#past")).to_be_visible()
    await just_before_now(page, 1 + len(texts))
    await rows.first.locator("button").click()
    await expect(page.locator(".clause").first).to_be_visible()
    await page.click("text=Back to live")
    await page.locator(".watched button").first.click()
    await expect(page.locator("#add-vendor")).to_be_visible()
    assert await outcome(page) == [0, []]
    print(f"{len(texts)} texts in {1 + len(texts)} changes, vendors, runs and actions: 0 ran, 0 reports of the policy")
    assert here.complaints == []
