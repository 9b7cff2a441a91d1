"""Older stretches of the logs, for sessions that are further behind than the ring reaches.

Pages are aligned, so that all who replay the same stretch share one read; few are kept, and none holds more than so
many bytes: a page of large entries is cut, and read on from where somebody stands. The semaphore covers the query and
never a write, so a slow client holds nobody up.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from streaming import conf, log
from streaming.asgi.bridge import DATABASE_AWAY, Bridge
from streaming.core.entry import Entry

Key = tuple[str, str, int]

AGAIN = 0.5
"""Seconds after which a page is read again that the database did not answer."""


class Pages:
    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._kept: OrderedDict[Key, tuple[Entry, ...]] = OrderedDict()
        self._reading: dict[tuple[Key, int], asyncio.Task[log.Page]] = {}
        self._turns = asyncio.Semaphore(conf.streaming.PAGE_READS)
        self.reads = 0

    def find(self, org: str, epoch: str, sequence: int) -> Sequence[Entry] | None:
        """Return the kept entries from `sequence` to the end of its page; None where they must be read."""
        key = _key(org, epoch, sequence)
        page = self._kept.get(key)
        if page is None or not page[0].sequence <= sequence <= page[-1].sequence:
            return None
        self._kept.move_to_end(key)
        return page[sequence - page[0].sequence :]

    async def read(self, org: str, epoch: str, sequence: int) -> log.Page:
        """Read the page of `sequence`, together with all who ask for the same one."""
        key = _key(org, epoch, sequence)
        first = sequence if key in self._kept else key[2] * conf.streaming.PAGE_ENTRIES + 1
        task = self._reading.get((key, first))
        if task is None:
            task = self._reading[key, first] = asyncio.create_task(self._read(key, first))
            task.add_done_callback(lambda done: self._done((key, first), done))
        page = await asyncio.shield(task)
        if key in self._kept and page.entries and page.entries[-1].sequence < sequence:
            return await self.read(org, epoch, sequence)  # the page was cut before it reached that far
        return page

    def _done(self, read: tuple[Key, int], task: asyncio.Task[log.Page]) -> None:
        if self._reading.get(read) is task:
            del self._reading[read]

    async def _read(self, key: Key, first: int) -> log.Page:
        org, epoch, number = key
        end = (number + 1) * conf.streaming.PAGE_ENTRIES
        while True:
            try:
                async with self._turns:
                    page = await self._bridge.call(
                        log.read, org, first=first, limit=end - first + 1, max_bytes=conf.streaming.PAGE_BYTES
                    )
                self.reads += 1
                break
            except DATABASE_AWAY:
                await asyncio.sleep(AGAIN)  # whoever replays keeps his stream, and goes on when it is back
        current = self._reading.get((key, first)) is asyncio.current_task()
        if page.entries and page.head.epoch == epoch and current:
            self._keep(key, page.entries)
        return page

    def _keep(self, key: Key, entries: tuple[Entry, ...]) -> None:
        self._kept[key] = entries
        self._kept.move_to_end(key)
        while len(self._kept) > conf.streaming.PAGES_KEPT:
            self._kept.popitem(last=False)

    def close(self) -> None:
        for task in self._reading.values():
            task.cancel()

    def forget(self, org: str) -> None:
        """Drop an org's pages; what is being read of them is not kept, for it may be of the log that is no more."""
        for key in [key for key in self._kept if key[0] == org]:
            del self._kept[key]
        for read in [read for read in self._reading if read[0][0] == org]:
            del self._reading[read]


def _key(org: str, epoch: str, sequence: int) -> Key:
    return org, epoch, (sequence - 1) // conf.streaming.PAGE_ENTRIES
