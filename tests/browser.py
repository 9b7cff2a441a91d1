"""A real Chromium, driven through playwright's async API (its sync one and the ORM do not go together).

    async with chromium() as browser:
        page = await browser.new_page()

    async with untouched() as context:              as a person starts it: tabs in the background are hidden,
        page = await context.new_page()             throttled and can be frozen, which playwright's own never are

Each call is a process with a fresh profile. Without a Chromium the test is left out, or fails under
REDLINE_REQUIRE_REAL=1; `tests/run` brings one by apt where it may.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, async_playwright

from tests import binaries, services
from tests.environment import for_child
from tests.processes import Process

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
async def chromium(*, without: Sequence[str] = ()) -> AsyncIterator[Browser]:
    """Start one; `without` leaves out some of the flags that playwright would add."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(_program()), args=FLAGS + _sandbox(), ignore_default_args=list(without)
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def untouched() -> AsyncIterator[BrowserContext]:
    """Start one without playwright's emulation, and drive its one context."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        flags = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
        process = Process(
            [str(_program()), *flags, *FLAGS, *_sandbox(), "about:blank"], name="chromium", env=for_child()
        )
        told = Path(profile) / "DevToolsActivePort"
        process.spawn()
        try:
            await asyncio.to_thread(
                process.wait_until, lambda: told.exists() and "\n" in told.read_text(), within=20, what="a port"
            )
            port = told.read_text().splitlines()[0]
            async with async_playwright() as playwright:
                browser = await playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}", no_defaults=True)
                yield browser.contexts[0]
        finally:
            await asyncio.to_thread(process.kill)


def _program() -> Path:
    return binaries.chromium() or services.missing("Chromium", "set REDLINE_CHROMIUM or apt-get install chromium")


def _sandbox() -> list[str]:
    return ["--no-sandbox"] if os.geteuid() == 0 else []  # it refuses to be one for root
