"""Clients that note what they hear: one event is parsed once, however many hear it.

A *witness* is a native EventSource with a reader in the history. A reset ends that reader where it stood and begins
another behind the snapshot, so what a client was told it has missed is not held against anybody, and what it was not
told is.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from dataclasses import dataclass

from tests.acceptance.history import Connection, History, Reader, Seen
from tests.acceptance.scene import Member
from tests.faults.eventsource import EventSource, Targets, parsed


@dataclass(slots=True)
class Heard:
    """One block as all hear it who get these very bytes; `last` is when the last did, by the monotonic clock."""

    event: str
    data: str
    id: str | None
    retry: float | None
    seen: Seen | None
    last: float = 0.0

    @property
    def sequence(self) -> int:
        return sequence_of(self.id or "")


class Ear:
    """Turns raw blocks into what was heard; keeps those of the log, which many hear."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.known: dict[bytes, Heard] = {}

    def hear(self, raw: bytes) -> Heard:
        found = self.known.get(raw)
        if found is None:
            found = self._parse(raw)
            if found.seen is not None:
                self.known[raw] = found
        return found

    def _parse(self, raw: bytes) -> Heard:
        block = parsed(raw)
        event, data = block.event or "", block.data or ""
        retry = None if block.retry is None else block.retry / 1000
        is_entry = block.id is not None and event and data and not event.startswith("stream.")
        seen = self.history.seen(block.id or "", event, data) if is_entry else None
        return Heard(event, data, block.id, retry, seen)


class Witness(EventSource):
    """One client whose every connection stands in the history."""

    def __init__(self, targets: Targets, member: Member, ear: Ear, *, name: str, seed: int = 0) -> None:
        super().__init__(targets, token=member.token)
        self.name = name
        self.org = member.org
        self.patience = 0.0
        """Blocks that it reads on average before it is cut; 0 for no cuts."""
        self.live = False
        """Caught up on the connection that it has."""
        self.position = 0
        self.opens: list[float] = []
        self.ends: list[float] = []
        self.resets: list[str] = []
        self.reset_at = 0.0
        self.beats: list[float] = []
        self.goodbyes: Counter[str] = Counter()
        self._random = random.Random(f"{seed}/{name}")
        self._ear = ear
        self._reader: Reader | None = None
        self._connection: Connection | None = None

    def start_at(self, cursor: str) -> None:
        """Come with a cursor from an earlier life."""
        self.last_event_id = cursor
        self.position = sequence_of(cursor)

    def ends_at(self, sequence: int) -> None:
        """Say where everything ends that is due to it."""
        if self._reader is None:  # it was told that it has missed something, and not yet what holds instead
            self._reader = self._ear.history.reader(f"{self.name}, half told", self.org, start=self.position)
        self._reader.end = sequence

    def closed(self) -> None:
        self.ends.append(time.monotonic())
        self._connection = None
        self.live = False

    def heard(self, raw: bytes) -> None:
        heard = self._ear.hear(raw)
        if heard.retry is not None:
            self.retry = heard.retry
        if heard.seen is not None:
            if self._connection is None:
                raise RuntimeError(f"{self.name} got {heard.seen} before it was told where it stands")
            heard.last = time.monotonic()
            self._connection.seen.append(heard.seen)
        elif heard.event.startswith("stream."):
            self._told(heard)
        elif not heard.data:
            self.beats.append(time.monotonic())
        if heard.id is not None:
            self.last_event_id = heard.id
            self.position = heard.sequence
        if self.patience and self._random.random() < 1 / self.patience:
            self.cut()

    def _told(self, heard: Heard) -> None:
        told = json.loads(heard.data)
        if heard.event == "stream.open":
            self._open(told["cursor"])
        elif heard.event == "stream.reset":
            self._reset(told["reason"])
        elif heard.event == "stream.caught_up":
            self._catch_up(heard)
        elif heard.event == "stream.closing":
            self.goodbyes[told["reason"]] += 1

    def _open(self, cursor: str | None) -> None:
        """Begin behind the cursor that was asked for, or, where none was, behind the one that was given."""
        self.opens.append(time.monotonic())
        if cursor is None:
            return  # a reset follows
        after = sequence_of(self.last_event_id or cursor)
        if self._reader is None:
            self._reader = self._ear.history.reader(self.name, self.org, start=after)
            self._reader.end = after
        self._connection = self._reader.begin(after)

    def _reset(self, reason: str) -> None:
        self.resets.append(reason)
        self.reset_at = time.monotonic()
        if self._reader is not None:
            self._reader.end = self.position
        self._reader = self._connection = None

    def _catch_up(self, heard: Heard) -> None:
        self.live = True
        if self._reader is None:
            start = heard.sequence
            self._reader = self._ear.history.reader(f"{self.name}, reset", self.org, start=start)
            self._reader.end = start
            self._connection = self._reader.begin(start)


def sequence_of(cursor: str) -> int:
    return int(cursor.split(".")[1]) if cursor else 0
