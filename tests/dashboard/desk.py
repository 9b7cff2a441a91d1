"""A person at the board: a real Chromium against the real server, in an org of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.servers import Server, manage

PASSWORD = "a-long-word-that-nobody-guesses"
SEED = """
from redline.workspaces.models import *
from redline.monitoring.models import *
org = Org.objects.create(slug="{slug}", name="Here")
for name, role in (("ann", "owner"), ("vic", "viewer")):
    user = User.objects.create_user(name + "-{slug}", password="{password}", first_name=name.title())
    Membership.objects.create(org=org, user=user, role=role)
vendor = Vendor.objects.create(org=org, name="Notary", homepage_url="https://notary.example")
report = ChangeReport.objects.create(org=org, vendor=vendor, severity="P2", headline="Notice grows to 60 days")
report.changes.create(
    category="terms", materiality="material", section="7", summary="Longer notice",
    ops=[["equal", "Notice of "], ["delete", "thirty"], ["insert", "sixty"], ["equal", " days. <b>x</b>"]],
    citations=[{{"quote": "q", "section": "7", "url": "javascript:alert(1)", "fetchedAt": "2026-01-01T00:00:00Z"}}],
)
"""
FIND = """
from redline.monitoring.models import *
vendor = Vendor.objects.get(org__slug="{slug}")
for number in range({count}):
    ChangeReport.objects.create(org=vendor.org, vendor=vendor, severity="{severity}", headline="{headline}")
"""


@dataclass(frozen=True)
class House:
    server: Server
    database_url: str
    numbers: Iterator[int] = field(default_factory=itertools.count)


@dataclass
class Desk:
    house: House
    slug: str
    browser: Browser
    complaints: list[str] = field(default_factory=list)

    async def shell(self, code: str, **names: object) -> None:
        text = code.format(slug=self.slug, **names)
        done = await asyncio.to_thread(manage, "shell", "-c", text, database_url=self.house.database_url)
        assert done.returncode == 0, done.stderr

    async def find(self, severity: str, headline: str, *, count: int = 1) -> None:
        """Find changes from another process, as a run does."""
        await self.shell(FIND, severity=severity, headline=headline, count=count)

    async def sit_down(
        self, user: str = "ann", *, context: BrowserContext | None = None, rows: int = 1, **options: Any
    ) -> Page:
        """Sign in, and wait until the board is live and loaded; in a context of its own unless one is given."""
        page = await (context or await self.browser.new_context(**options)).new_page()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(f"{self.house.server.url}/")
        await page.fill("#id_username", f"{user}-{self.slug}")
        await page.fill("#id_password", PASSWORD)
        await page.click("main form button")
        await expect(page.locator("#link")).to_contain_text("Live")
        await expect(page.locator(".row")).to_have_count(rows)
        return page
