"""The recent window of one org's log in one process, shared by all of its connections.

Promises that its entries are consecutive and end at `head`: an offer either continues it exactly (checked by
sequence, epoch and fingerprint), is already known, or is turned away as a gap or a fork for the hub to look into.
It never guesses and never holds a hole.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from streaming.core.cursor import Cursor, Head
from streaming.core.entry import Batch, Entry


class Offer(enum.Enum):
    APPENDED = enum.auto()
    KNOWN = enum.auto()
    GAP = enum.auto()
    FORKED = enum.auto()


class Ring:
    """Keeps at most `max_entries` entries and `max_bytes` of payload, but always the newest entry."""

    __slots__ = ("_entries", "_max_bytes", "_max_entries", "_size", "head")

    def __init__(
        self, head: Cursor, entries: Sequence[Entry] = (), *, max_entries: int = 1000, max_bytes: int = 1 << 20
    ) -> None:
        """Start at `head`, holding `entries`, which end there."""
        self.head = head
        self._entries: list[Entry] = []
        self._size = 0
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        if entries:
            self._append(entries)

    @property
    def start(self) -> int:
        """The oldest sequence that can be sliced; head + 1 while nothing is held."""
        return self.head.sequence + 1 - len(self._entries)

    @property
    def size(self) -> int:
        """Payload bytes held."""
        return self._size

    def offer(self, batch: Batch) -> Offer:
        """Append what continues the window; the overlap with what is known must agree with it."""
        first = batch.entries[0].sequence
        if batch.epoch != self.head.epoch:
            return Offer.FORKED
        if first > self.head.sequence + 1:
            return Offer.GAP
        if self._contradicts(first - 1, batch.after) or any(
            self._contradicts(entry.sequence, entry.fingerprint) for entry in batch.entries
        ):
            return Offer.FORKED
        news = batch.entries[self.head.sequence + 1 - first :]
        if not news:
            return Offer.KNOWN
        self._append(news)
        return Offer.APPENDED

    def slice(self, start: int, stop: int) -> Sequence[Entry]:
        """Return the entries from sequence `start` to `stop`, both included, as far as they have come."""
        offset = start - self.start
        if offset < 0:
            raise LookupError(f"sequence {start} has left the window, which starts at {self.start}")
        return self._entries[offset : stop + 1 - self.start]

    def fingerprint_at(self, sequence: int) -> str | None:
        """Return the fingerprint at a sequence, None where the window does not know it."""
        if sequence == self.head.sequence:
            return self.head.fingerprint
        offset = sequence - self.start
        return self._entries[offset].fingerprint if 0 <= offset < len(self._entries) else None

    def contradicts(self, head: Head, *, reached: int) -> bool:
        """Say whether a head that was asked for after the ring had reached `reached` belongs to another log."""
        if head.epoch != self.head.epoch or head.sequence < reached:
            return True
        return self._contradicts(head.sequence, head.fingerprint)

    def _contradicts(self, sequence: int, fingerprint: str) -> bool:
        known = self.fingerprint_at(sequence)
        return known is not None and known != fingerprint

    def _append(self, news: Sequence[Entry]) -> None:
        self._entries.extend(news)
        self._size += sum(len(entry.data) for entry in news)
        self.head = news[-1].cursor
        surplus = max(0, len(self._entries) - self._max_entries)
        size = self._size - sum(len(entry.data) for entry in self._entries[:surplus])
        while size > self._max_bytes and surplus < len(self._entries) - 1:
            size -= len(self._entries[surplus].data)
            surplus += 1
        del self._entries[:surplus]
        self._size = size
