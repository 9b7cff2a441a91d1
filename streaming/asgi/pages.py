"""Older stretches of the logs, for sessions that are further behind than the ring reaches.

Pages are aligned, so that all who replay the same stretch share one read; few are kept. The semaphore covers the
query and never a write, so a slow client holds nobody up.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from streaming import conf, log
from streaming.asgi.bridge import Bridge
from streaming.core.entry import Entry

Key = tuple[str, str, int]


class Pages:
    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._kept: OrderedDict[Key, tuple[Entry, ...]] = OrderedDict()
        self._reading: dict[Key, asyncio.Task[log.Page]] = {}
        self._turns = asyncio.Semaphore(conf.streaming.PAGE_READS)
        self.reads = 0

    def find(self, org: str, epoch: str, sequence: int) -> Sequence[Entry] | None:
        """Return the kept entries from `sequence` to the end of its page; None where they must be read."""
        key = _key(org, epoch, sequence)
        page = self._kept.get(key)
        if page is None:
            return None
        self._kept.move_to_end(key)
        rest = page[sequence - page[0].sequence :]
        return rest or None

    async def read(self, org: str, epoch: str, sequence: int) -> log.Page:
        """Read the page of `sequence`, together with all who ask for the same one."""
        key = _key(org, epoch, sequence)
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.create_task(self._read(key))
            task.add_done_callback(lambda _: self._reading.pop(key, None))
        return await asyncio.shield(task)

    async def _read(self, key: Key) -> log.Page:
        org, epoch, number = key
        size = conf.streaming.PAGE_ENTRIES
        async with self._turns:
            self.reads += 1
            page = await self._bridge.call(log.read, org, first=number * size + 1, limit=size)
        if page.entries and page.head.epoch == epoch:
            self._keep(key, page.entries)
        return page

    def _keep(self, key: Key, entries: tuple[Entry, ...]) -> None:
        self._kept[key] = entries
        self._kept.move_to_end(key)
        while len(self._kept) > conf.streaming.PAGES_KEPT:
            self._kept.popitem(last=False)

    def forget(self, org: str) -> None:
        for key in [key for key in self._kept if key[0] == org]:
            del self._kept[key]


def _key(org: str, epoch: str, sequence: int) -> Key:
    return org, epoch, (sequence - 1) // conf.streaming.PAGE_ENTRIES
