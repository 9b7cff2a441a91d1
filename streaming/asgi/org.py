"""One org in this process: its ring, who reads it, how gaps are filled, and when readers are woken.

A session is a cursor over the shared ring, so fan-out is a plain loop: no queue to overflow, no hand-over from replay
to live, no memory for a slow client. What the ring is offered either continues it or is looked into by one fill at a
time; a head that contradicts the ring means that the log was replaced, and every reader is told so.

Fan-out is paced: at once the first time; while busy, no sooner than 1 ms or a quarter of the last one's cost. What has
come meanwhile goes out in one write: 2 to 3 million deliveries a second to 1,000 subscribers, where a write for every
event carries some 25,000 (`tests/bench/pacing.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from streaming import conf, log
from streaming.asgi.bridge import Bridge
from streaming.asgi.pages import Pages
from streaming.core import wire
from streaming.core.condensation import EVERYTHING_IS_TOLD, Condensation
from streaming.core.cursor import Cursor, Head, ResetReason
from streaming.core.entry import Batch, Entry
from streaming.core.filter import Filter
from streaming.core.rights import Rights
from streaming.core.ring import Offer, Ring

logger = logging.getLogger("streaming.org")


CHUNK_ENTRIES = 256
"""The most entries that one chunk looks at: about what one write holds."""

CHUNK_KEPT = 0.05
"""Seconds for which an encoded chunk is kept for others at the same place."""

FEW = 50
"""Entries that a fill reads first."""


class Reader(Protocol):
    """Who reads an org's ring: a session, or a long poll that waits."""

    @property
    def rights_at(self) -> int:
        """The sequence at which its rights were read; what moved them behind it, it was told."""

    def flush(self) -> None:
        """Take what has come, without waiting."""

    def log_replaced(self, reason: ResetReason) -> None:
        """Learn that the log is another one now."""

    def rights_moved(self, users: frozenset[str]) -> None:
        """Deliver nothing more under the old rights, if it is one of these users who reads; none means everybody."""

    def failed(self) -> None:
        """End, because `flush` raised."""


class Chunk(NamedTuple):
    """A filtered stretch of the log, encoded: what goes out in one write."""

    body: bytes
    last: Cursor
    """The last entry that was looked at; the reader goes on behind it."""
    shown: Cursor | None
    """The last entry that is in the body."""
    events: int


class OrgHub:
    """One org in this process."""

    def __init__(self, org: str, bridge: Bridge, pages: Pages) -> None:
        self.org = org
        self.ring: Ring | None = None
        self.readers: dict[Reader, None] = {}
        self.incarnation = 0
        """How many logs this org has had here; what was read under another number is void."""
        self.fills = 0
        self._bridge = bridge
        self._pages = pages
        self._loop = asyncio.get_running_loop()
        self.idle_since: float | None = self._loop.time()
        self._filling: asyncio.Task[None] | None = None
        self._again = False
        self._early: list[Batch] = []
        self._woken = False
        self._not_before = 0.0
        self._chunks: dict[object, Chunk] = {}
        self._forgetting: asyncio.TimerHandle | None = None

    # -- readers ---------------------------------------------------------------------------------------------------

    def attach(self, reader: Reader) -> None:
        self.readers[reader] = None
        self.idle_since = None
        if self.ring is None:
            self.fill()

    def detach(self, reader: Reader) -> None:
        self.readers.pop(reader, None)
        if not self.readers:
            self.idle_since = self._loop.time()

    def close(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
        if self._forgetting is not None:
            self._forgetting.cancel()

    # -- what comes in ---------------------------------------------------------------------------------------------

    def offer(self, batch: Batch) -> None:
        """Take consecutive entries, from the own sequencer or a fill."""
        if self.ring is None:
            if self._filling is not None:
                self._early.append(batch)
            return
        since = self.ring.head.sequence
        match self.ring.offer(batch):
            case Offer.APPENDED:
                self._grown(since)
            case Offer.GAP | Offer.FORKED:
                self.fill()

    def poked(self, head: int) -> None:
        """Follow a hint that the log has grown."""
        if self.ring is not None and head > self.ring.head.sequence:
            self.fill()

    def on_head(self, head: Head, *, reached: int) -> None:
        """Compare with a head that was asked for after the ring had reached `reached`."""
        if self.ring is None:
            self.fill()
        elif self.ring.contradicts(head, reached=reached):
            self.replaced(head)
        elif head.sequence > self.ring.head.sequence:
            self.fill()

    def fill(self) -> None:
        """Read what the ring lacks; one fill at a time, and another where more was missed meanwhile."""
        if self._filling is not None:
            self._again = True
        else:
            self._again = False
            self._filling = asyncio.create_task(self._fill())
            self._filling.add_done_callback(self._filled)

    def _filled(self, task: asyncio.Task[None]) -> None:
        self._filling = None
        self._early.clear()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The watcher asks again within its interval, and finds the same gap.
            logger.warning("cannot read the log: %s", error, extra={"org": self.org})
        elif not task.cancelled() and (self._again or (self.ring is None and self.readers)):
            self.fill()

    async def _fill(self) -> None:
        self.fills += 1
        if self.ring is None:
            self._start(await self._bridge.call(log.recent, self.org, limit=conf.streaming.RING_ENTRIES))
            return
        # Mostly a few entries are missing: few are read at first, so that their sizes need not be asked for.
        size, max_bytes = FEW, None
        while True:
            ring = self.ring
            held = ring.head
            page = await self._bridge.call(
                log.read, self.org, first=max(held.sequence, 1), limit=size, max_bytes=max_bytes
            )
            if self.ring is not ring:
                return
            news = page.entries if held.sequence == 0 else page.entries[1:]
            hole = not news and max_bytes is None and page.head.sequence > ring.head.sequence
            if hole or not _continues(page, held):
                self.replaced(page.head)
                return
            size, max_bytes = conf.streaming.PAGE_ENTRIES, conf.streaming.PAGE_BYTES
            if news:
                self._append(held, news)
            else:
                size, max_bytes = FEW, None  # one entry may be larger than what a page holds
            behind = page.head.sequence - ring.head.sequence
            if behind > conf.streaming.RING_ENTRIES:
                self._start(await self._bridge.call(log.recent, self.org, limit=conf.streaming.RING_ENTRIES))
                return
            if behind <= 0:
                return

    def _append(self, held: Cursor, news: Sequence[Entry]) -> None:
        assert self.ring is not None
        # Offers may have come while the page was read; the ring drops what it knows and notices what disagrees.
        since = self.ring.head.sequence
        if self.ring.offer(log.batch(self.org, held.fingerprint, tuple(news))) is Offer.APPENDED:
            self._grown(since)

    def _grown(self, since: int) -> None:
        """Hold whoever's rights moved behind sequence `since`, then wake everybody."""
        users = self._moved(since)
        if users is not None:
            for reader in self.readers:
                reader.rights_moved(users)
        self.wake()

    def _moved(self, since: int) -> frozenset[str] | None:
        """Return whose rights moved behind a sequence: nobody's is None, everybody's is empty.

        It is everybody's where the ring does not reach back so far.
        """
        assert self.ring is not None
        if since + 1 < self.ring.start:
            return frozenset()
        found = self.ring.slice(since + 1, self.ring.head.sequence)
        told = [entry.audience for entry in found if entry.type == wire.RIGHTS]
        return (frozenset[str]().union(*told) if all(told) else frozenset()) if told else None

    def rights_moved(self, user: str, *, since: int) -> bool:
        """Say whether a user's rights may have moved behind sequence `since`."""
        users = None if self.ring is None else self._moved(since)
        return users is not None and (not users or user in users)

    def _start(self, page: log.Page) -> None:
        """Begin a ring at the head; whatever was offered meanwhile continues it."""
        self.ring = Ring(
            page.head.cursor,
            page.entries,
            max_entries=conf.streaming.RING_ENTRIES,
            max_bytes=conf.streaming.RING_BYTES,
        )
        early, self._early = self._early, []
        for batch in early:
            self.ring.offer(batch)
        for reader in self.readers:
            users = self._moved(reader.rights_at)
            if users is not None:
                reader.rights_moved(users)
        self.wake()

    def replaced(self, head: Head) -> None:
        """Drop the ring of a log that is no more, and tell every reader."""
        assert self.ring is not None
        if head.epoch != self.ring.head.epoch:
            reason = ResetReason.EPOCH
        elif head.sequence < self.ring.head.sequence:
            reason = ResetReason.AHEAD
        else:
            reason = ResetReason.UNKNOWN
        logger.warning("the log was replaced (%s)", reason.value, extra={"org": self.org})
        self.ring = None
        self.incarnation += 1
        self._chunks.clear()
        self._pages.forget(self.org)
        self.fill()  # one that is under way notices that its ring is gone, ends, and begins anew
        for reader in list(self.readers):
            reader.log_replaced(reason)

    # -- what goes out ---------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Have every reader take what has come: now, or when the pacing allows."""
        if self._woken:
            return
        self._woken = True
        if self._loop.time() >= self._not_before:
            self._loop.call_soon(self._fan_out)
        else:
            self._loop.call_at(self._not_before, self._fan_out)

    def _fan_out(self) -> None:
        self._woken = False
        started = self._loop.time()
        self._chunks.clear()
        for reader in list(self.readers):
            try:
                reader.flush()
            except Exception:
                logger.exception("a reader failed", extra={"org": self.org})
                self.detach(reader)
                reader.failed()
        self._chunks.clear()
        now = self._loop.time()
        self._not_before = now + max(conf.streaming.PACE_MIN, conf.streaming.PACE_SHARE * (now - started))

    def chunk(
        self, chosen: Filter, start: int, stop: int, condensation: Condensation = EVERYTHING_IS_TOLD
    ) -> Chunk | None:
        """Return the entries from sequence `start`, at most to `stop`, filtered and encoded into one write.

        None where nothing has come yet, or where the page that holds `start` must be read first. Readers at the same
        place with the same filter get the same bytes; where no entry is addressed to anybody in particular, rights
        play no part in what "the same" is.
        """
        ring = self.ring
        if ring is None or start > min(stop, ring.head.sequence):
            return None
        stop = min(stop, start + CHUNK_ENTRIES - 1)
        if start >= ring.start:
            entries = ring.slice(start, stop)
        else:
            found = self._pages.find(self.org, ring.head.epoch, start)
            if found is None:
                return None
            entries = [entry for entry in found if entry.sequence <= stop]
        return self._encoded(chosen, entries, condensation)

    def _encoded(self, chosen: Filter, entries: Sequence[Entry], condensation: Condensation) -> Chunk:
        first, last = entries[0].sequence, entries[-1].sequence
        rights = self._rights_that_matter(chosen.rights, entries)
        key = (first, last, chosen.types, chosen.scope, chosen.envelope, rights, condensation)
        chunk = self._chunks.get(key)
        if chunk is None:
            if len(self._chunks) > 1000:
                self._chunks.clear()
            chunk = self._chunks[key] = encode(chosen, entries, condensation)
            if self._forgetting is None:  # a fan-out forgets its own; those of single readers would stay
                self._forgetting = self._loop.call_later(CHUNK_KEPT, self._forget_chunks)
        return chunk

    def _forget_chunks(self) -> None:
        self._forgetting = None
        self._chunks.clear()

    def _rights_that_matter(self, rights: Rights, entries: Sequence[Entry]) -> Rights | None:
        addressed = any(entry.keys or entry.audience for entry in entries if entry.type != wire.RIGHTS)
        return rights if addressed else None

    async def read_page(self, sequence: int) -> bool:
        """Bring the page that holds `sequence`; False where the log no longer has it."""
        ring = self.ring
        if ring is None or self._pages.find(self.org, ring.head.epoch, sequence) is not None:
            return True  # also where somebody else's read has brought it meanwhile
        page = await self._pages.read(self.org, ring.head.epoch, sequence)
        return any(entry.sequence == sequence for entry in page.entries)


def encode(chosen: Filter, entries: Sequence[Entry], condensation: Condensation = EVERYTHING_IS_TOLD) -> Chunk:
    """Filter and join entries into at most one write's worth of bytes, but at least one entry."""
    frames: list[bytes] = []
    size = 0
    last = shown = None
    limit: int = conf.streaming.WRITE_BYTES
    for entry in entries:
        if chosen.admits(entry) and not condensation.leaves_out(entry):
            frame = entry.frame(chosen.envelope, is_snapshot=condensation.is_snapshot(entry))
            if size + len(frame) > limit and frames:
                break
            frames.append(frame)
            size += len(frame)
            shown = entry
        last = entry
    assert last is not None
    return Chunk(b"".join(frames), last.cursor, shown.cursor if shown else None, len(frames))


def _continues(page: log.Page, held: Cursor) -> bool:
    """Say whether a page that was read from the ring's head on belongs to the ring's log."""
    if page.head.epoch != held.epoch or page.head.sequence < held.sequence:
        return False
    if held.sequence == 0:
        return not page.entries or page.entries[0].sequence == 1
    return bool(page.entries) and page.entries[0].cursor == held
