"""Many tabs of one browser share one stream, while the tab that leads is closed, frozen, hung and reloaded."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import CDPSession, Page

from tests.acceptance import seeds
from tests.acceptance.house import Clerk
from tests.browser import untouched
from tests.hub.stage import Stage
from tests.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.servers]

# A synchronous request: nothing else happens in the tab before it is answered, and no lifecycle event announces it.
HANG = """() => { const asked = new XMLHttpRequest(); asked.open("GET", "/test/slow", false); asked.send(); }"""
GREETED = "globalThis.seen?.fresh.length > 0"


@pytest.fixture
async def stage(running: tuple[Server, Clerk]) -> AsyncIterator[Stage]:
    """A browser as people have it: all tabs but one are hidden, throttled, and can be frozen."""
    async with untouched() as context:
        stage = await Stage.set(*running, context)
        yield stage
        assert stage.complaints == []


@dataclass(eq=False)
class Tab:
    page: Page
    session: CDPSession
    is_frozen: bool = False
    hanging: asyncio.Task[Any] | None = None

    @property
    def answers(self) -> bool:
        return not self.is_frozen and (self.hanging is None or self.hanging.done())

    async def set_state(self, state: str) -> None:
        self.is_frozen = state == "frozen"
        await self.session.send("Page.setWebLifecycleState", {"state": state})


@dataclass
class Window:
    """The tabs of a browser, and what befalls the one that leads."""

    stage: Stage
    chance: random.Random
    tabs: list[Tab] = field(default_factory=list)
    befell: list[str] = field(default_factory=list)

    async def open(self) -> None:
        page = await self.stage.open(share="everybody")
        self.tabs.append(Tab(page, await self.stage.context.new_cdp_session(page)))

    async def leaders(self) -> list[Tab]:
        roles = [
            (tab, await tab.page.evaluate("() => globalThis.hub?.health.role")) for tab in self.tabs if tab.answers
        ]
        return [tab for tab, role in roles if role == "leader"]

    async def leader(self) -> Tab:
        """Wait until exactly one leads, of those that answer."""
        deadline = asyncio.get_running_loop().time() + 20
        while len(found := await self.leaders()) != 1:
            assert asyncio.get_running_loop().time() < deadline, f"{len(found)} lead after {self.befell}"
            await asyncio.sleep(0.05)
        return found[0]

    async def befall(self, kind: str) -> None:
        tab = await self.leader()
        await self.stage.until(tab.page, "hub.health.status === 'healthy'")
        self.befell.append(kind)
        if kind == "close":
            self.tabs.remove(tab)
            await tab.page.close()
            await self.open()
        elif kind == "reload":
            await tab.page.reload()
        elif kind == "freeze":
            await tab.set_state("frozen")
        else:
            tab.hanging = asyncio.create_task(tab.page.evaluate(HANG))
        assert await self.leader() is not tab or kind == "reload", f"{kind}: it leads again although it was replaced"
        for other in self.tabs:
            if other.is_frozen and self.chance.random() < 0.5:
                await other.set_state("active")

    async def settle(self, last: str) -> None:
        """Wake everybody, and wait until every tab has the last event."""
        for tab in self.tabs:
            if tab.is_frozen:
                await tab.set_state("active")
            if tab.hanging is not None:
                await tab.hanging
        for tab in self.tabs:
            await self.stage.until(tab.page, f"{GREETED} && seen.ids.at(-1) === {last!r}", within=30)

    async def check(self, emitted: list[str]) -> list[int]:
        """Hold every tab against what was committed; return how many events each was told."""
        told = []
        for number, tab in enumerate(self.tabs):
            ids, fresh = await self.stage.seen(tab.page), await self.stage.seen(tab.page, "fresh")
            owed = [cursor for cursor in emitted if sequence(cursor) > sequence(fresh[0]["cursor"])]
            got = [cursor for cursor in ids if sequence(cursor) > sequence(fresh[0]["cursor"])]
            assert got == owed, f"tab {number} after {self.befell}: {len(got)} events, {len(owed)} are owed"
            assert ids == sorted(set(ids), key=sequence), f"tab {number} was told twice, or out of order"
            told.append(len(ids))
        return told


def sequence(cursor: str) -> int:
    return int(cursor.split(".")[1])


async def turmoil(stage: Stage, *, tabs: int, events: int, kinds: list[str], seed: int) -> None:
    window = Window(stage, random.Random(seed))
    for _ in range(tabs):
        await window.open()
    await window.leader()
    for tab in window.tabs:
        await stage.until(tab.page, GREETED)
    await stage.streams(1)
    async with asyncio.TaskGroup() as group:
        group.create_task(write(stage, events))
        for kind in kinds:
            await window.befall(kind)
    await stage.emit()
    await window.settle(stage.emitted[-1])
    told = await window.check(stage.emitted)
    board = await stage.streams(1)
    print(f"{tabs} tabs, {len(stage.emitted)} events, {window.befell}: told {told}, {board}")
    assert max(told) == len(stage.emitted), "one tab at least saw it all"
    assert board["most"] <= 2, "two at once only while one takes over from the other"


async def write(stage: Stage, events: int) -> None:
    while len(stage.emitted) < events:
        await stage.emit(10, rate=40)


@pytest.mark.timeout(180)
async def test_four_tabs_share_one_stream_whatever_befalls_their_leader(stage: Stage) -> None:
    seed = seeds.draw("four tabs")
    await turmoil(stage, tabs=4, events=400, kinds=["freeze", "hang", "reload", "close"], seed=seed)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_ten_tabs_share_one_stream_over_two_thousand_events_whatever_befalls_their_leader(stage: Stage) -> None:
    seed = seeds.draw("ten tabs")
    kinds = random.Random(seed).choices(["close", "freeze", "hang", "reload"], k=16)
    await turmoil(stage, tabs=10, events=2_000, kinds=kinds, seed=seed)
