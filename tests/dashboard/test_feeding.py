"""A storm of events into the open board: every one arrives, frames stay short, memory does not grow with the log."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.dashboard.desk import Desk
from tests.dashboard.test_payloads import shell

pytestmark = [pytest.mark.browser, pytest.mark.servers]

LONGEST_FRAME = 0.1
MOST_GROWTH = 10e6
"""In bytes, from the first storm to the third: the tape and the lists are full after the first."""

# Of twenty events one is a change, two are deliveries, the rest is what runs say; twenty are one transaction.
FEED = """
import time
from django.db import transaction
from redline.workspaces.models import *
from redline.monitoring.models import *
org = Org.objects.get(slug={slug!r})
STAGES = "fetch diff reason classify route publish".split()
vendors = [Vendor.objects.get_or_create(org=org, name=f"Vendor {{n}}", homepage_url="https://v.example")[0]
           for n in range(20)]
begun = time.monotonic()
for batch in range({count} // 20):
    vendor = vendors[batch % 20]
    with transaction.atomic():
        Run.objects.filter(vendor=vendor, status="running").unstreamed().update(status="completed")
        run = Run.objects.create(org=org, vendor=vendor)
        report = ChangeReport.objects.create(
            org=org, vendor=vendor, run=run, severity="P3", headline=f"{name} {{batch}}"
        )
        for kind in ("slack", "email"):
            Action.objects.create(org=org, report=report, kind=kind, status="delivered")
        stages = [RunStage.objects.create(run=run, stage=stage) for stage in STAGES]
        for stage in stages:
            stage.status = "completed"
            stage.save()
        Entitlement.objects.update_or_create(org=org, defaults=dict(compliance_pack=batch % 2 == 0))
        for step in ("acknowledged", "in-progress", "resolved"):
            ChangeTransition.objects.create(report=report, from_state="new", to_state=step, by="usr_system")
        ChangeReport.objects.filter(pk=report.pk).unstreamed().update(state="resolved")
    time.sleep(max(0, begun + (batch + 1) * {seconds} * 20 / {count} - time.monotonic()))
print("fed in", round(time.monotonic() - begun, 1), "s")
"""
WATCH = """
window.frames_ = []; let last = performance.now();
const step = (now) => { frames_.push(now - last); last = now; requestAnimationFrame(step); };
requestAnimationFrame(step);
"""


async def heap(page: Page) -> float:
    """Return how many bytes of script are in use, after a collection."""
    session: Any = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.collectGarbage")
    used = (await session.send("Runtime.getHeapUsage"))["usedSize"]
    await session.detach()
    return float(used)


async def storm(desk: Desk, page: Page, *, count: int, seconds: float, name: str) -> float:
    """Feed so many events, and return the longest frame meanwhile, in seconds, once the last has arrived."""
    await page.evaluate("frames_.length = 0")
    await shell(desk, FEED.format(slug=desk.slug, count=count, seconds=seconds, name=name))
    await page.click("[data-shelf=resolved]")
    last = f"{name} {count // 20 - 1}"
    await expect(page.get_by_text(last, exact=True).first).to_be_visible(timeout=30_000)
    await page.click("[data-shelf=open]")
    return float(await page.evaluate("Math.max(...frames_) / 1000"))


@pytest.mark.parametrize(
    ("count", "seconds", "storms"),
    [
        pytest.param(200, 2, 1, id="a few"),
        pytest.param(2_000, 10, 3, id="many", marks=[pytest.mark.long, pytest.mark.timeout(300)]),
    ],
)
async def test_a_storm_of_events(here: Desk, count: int, seconds: float, storms: int) -> None:
    page = await here.sit_down(reduced_motion="reduce")
    await page.evaluate(WATCH)
    longest, heaps = [], []
    for number in range(storms):
        longest.append(await storm(here, page, count=count, seconds=seconds, name=f"Storm {number}"))
        await asyncio.sleep(12)  # the tape reads on ten seconds after the last event: its entries count as memory
        heaps.append(await heap(page))
    frames, sizes = [round(one * 1000) for one in longest], [round(one / 1e6, 1) for one in heaps]
    figures = f"longest frames {frames} ms, heap {sizes} MB"
    print(f"{count} events in {seconds} s, {storms} times: {figures}")
    assert here.complaints == []
    if storms > 1:
        assert max(longest) <= LONGEST_FRAME, figures
        assert heaps[-1] - heaps[0] < MOST_GROWTH, figures
