"""A real Chromium, driven through playwright's async API (its sync one and the ORM do not go together).

    async with chromium() as browser:
        page = await browser.new_page()

Each call is a process with a fresh profile. Without a Chromium the test is left out, or fails under
REDLINE_REQUIRE_REAL=1; `tests/run` brings one by apt where it may.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

from tests import binaries, services

# Nothing but the page may use the network or the machine: no updates, no sync, no first-run pages.
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    program = binaries.chromium() or services.missing("Chromium", "set REDLINE_CHROMIUM or apt-get install chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # it refuses to be one for root
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(program), args=FLAGS + sandbox)
        try:
            yield browser
        finally:
            await browser.close()
