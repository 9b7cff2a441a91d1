"""A real server, a writer beside it, and pages of one signed-in person in a real Chromium.

page = await stage.page()                       a hub on the org feed, with the session cookie
cursors = await stage.emit(3)                   committed by another process
await stage.until(page, "seen.ids.length === 3")
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from playwright.async_api import BrowserContext, Page

from tests.acceptance.house import Clerk, Member
from tests.servers import Server

APPLICATION = "tests.hub.application:application"


@dataclass
class Stage:
    server: Server
    clerk: Clerk
    context: BrowserContext
    member: Member
    emitted: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    async def set(cls, server: Server, clerk: Clerk, context: BrowserContext) -> Stage:
        """Put one person of a new org, signed in, into a browser's context."""
        member = Member(**await clerk.org())
        name, _, value = (await clerk.sign_in(user=member.user)).partition("=")
        await context.add_cookies([{"name": name, "value": value, "url": server.url}])
        stage = cls(server, clerk, context, member)
        context.on("request", lambda request: stage.requests.append(request.url))
        context.on("weberror", lambda error: stage.complaints.append(str(error.error)))
        await stage.reset()
        return stage

    async def page(self, **options: Any) -> Page:
        """Open a page and wait until it is healthy and has read how things are."""
        page = await self.open(**options)
        await self.until(page, "hub.health.status === 'healthy' && seen.fresh.length > 0")
        return page

    async def open(self, **options: Any) -> Page:
        page = await self.context.new_page()
        await page.goto(self.address(**options))
        await self.until(page, "globalThis.hub")
        return page

    def address(self, **options: Any) -> str:
        told = json.dumps({"url": "/v1/stream", **options})
        return f"{self.server.url}/test/page?{urlencode({'options': told})}"

    async def emit(self, count: int = 1, *, rate: float = 0) -> list[str]:
        async with self.asking:  # the clerk does one thing at a time
            start = len(self.emitted) + 1
            cursors = await self.clerk.emit(org=self.member.org, count=count, start=start, rate=rate)
        self.emitted += cursors
        return list(cursors)

    async def token(self, *, seconds: float) -> str:
        """Return a new API token of the person, which ends after so long."""
        async with self.asking:
            return str(await self.clerk.token(user=self.member.user, org=self.member.org, seconds=seconds))

    async def until(self, page: Page, condition: str, *, within: float = 15) -> None:
        """Wait for a condition of the page; the error shows what its hub had to say instead."""
        try:
            await page.wait_for_function(f"() => Boolean({condition})", timeout=within * 1_000, polling=20)
        except Exception as error:
            told = await page.evaluate("() => globalThis.seen && [seen.ids.length, seen.states, seen.records.at(-1)]")
            raise AssertionError(
                f"Not within {within} s: {condition}; the page has {told}, {self.complaints}"
            ) from error

    async def seen(self, page: Page, what: str = "ids") -> Any:
        return await page.evaluate(f"() => seen.{what}")

    async def reset(self) -> None:
        """Wait until the streams of earlier tests are gone, and count anew."""
        await self.streams(0)
        async with httpx.AsyncClient() as client:
            await client.post(f"{self.server.url}/test/reset", json=[])

    async def board(self, mode: str = "") -> dict[str, Any]:
        """Set the switchboard, if a mode is given, and return its counts."""
        async with httpx.AsyncClient() as client:
            query = {"streams": mode} if mode else {}
            return dict((await client.get(f"{self.server.url}/test/board", params=query)).json())

    async def board_shows(self, what: Callable[[dict[str, Any]], bool], *, within: float = 20) -> dict[str, Any]:
        """Wait until the switchboard's counts are so, and return them."""
        deadline = asyncio.get_running_loop().time() + within
        while not what(board := await self.board()):
            assert asyncio.get_running_loop().time() < deadline, f"Not within {within} s: {board}"
            await asyncio.sleep(0.02)
        return board

    async def streams(self, open: int) -> dict[str, Any]:
        """Wait until so many streams are open at the server; return the counts."""
        return await self.board_shows(lambda board: board["open"] == open)

    def polls(self) -> list[str]:
        """Return the polls that pages have sent; what `onFresh` reads has no cursor and is none."""
        return [url for url in self.requests if "/poll" in url and "after=" in url]
