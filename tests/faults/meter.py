"""Clients that only count, for crowds in which a history would cost more than the server under test.

Every event carries its number and the moment at which it was written, so each client tells gaps, repeats and delays
by itself. The sequence in the id must go up by one from event to event, on a connection and over reconnects.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from tests.acceptance.scene import Member
from tests.faults.cluster import Cluster
from tests.faults.eventsource import EventSource, Targets, parsed
from tests.faults.patience import until_all
from tests.faults.witness import sequence_of

SENT = re.compile(r'"vendorId":"vnd_(\d+)')
TENTH = 10_000
"""Delays are counted in tenths of a millisecond."""


@dataclass(kw_only=True)
class Tally:
    """What a crowd has counted together."""

    delays: Counter[int] = field(default_factory=Counter)
    events: int = 0
    gaps: int = 0
    repeats: int = 0
    resets: int = 0
    goodbyes: Counter[str] = field(default_factory=Counter)
    ended: Counter[int] = field(default_factory=Counter)
    reconnects: int = 0

    def share(self, part: float) -> float:
        """Return the delay, in ms, below which `part` of all lie."""
        left = part * sum(self.delays.values())
        for tenths in sorted(self.delays):
            left -= self.delays[tenths]
            if left <= 0:
                return tenths / 10
        return math.nan


class Meter(EventSource):
    """One client: its position, and a tally that it shares with others."""

    known: dict[bytes, tuple[int, int]] = {}
    """Sequence and moment of writing, in ns, of the blocks that many hear; 0 where it is no event."""

    def __init__(self, targets: Targets, member: Member, tally: Tally) -> None:
        super().__init__(targets, token=member.token)
        self.tally = tally
        self.org = member.org
        self.position = 0
        self.live = False

    def start_at(self, cursor: str) -> None:
        """Come with a cursor from an earlier life."""
        self.last_event_id = cursor
        self.position = sequence_of(cursor)

    def opened(self) -> None:
        self.tally.reconnects += 1

    def closed(self) -> None:
        self.live = False

    def failed(self, status: int) -> None:
        self.tally.ended[status] += 1

    def heard(self, raw: bytes) -> None:
        sequence, sent = self.known.get(raw) or self._look(raw)
        if not sent:
            return
        tally = self.tally
        tally.events += 1
        tally.delays[(time.monotonic_ns() - sent) * TENTH // 1_000_000_000] += 1
        if sequence != self.position + 1:
            if sequence <= self.position:
                tally.repeats += 1
            else:
                tally.gaps += sequence - self.position - 1
        self.position = sequence
        self.last_event_id = raw[4 : raw.index(b"\n")].decode()

    def _look(self, raw: bytes) -> tuple[int, int]:
        block = parsed(raw)
        if block.retry is not None:
            self.retry = block.retry / 1000
        if block.id is not None and (sent := SENT.search(block.data or "")):
            found = self.known[raw] = sequence_of(block.id), int(sent[1])
            return found
        if block.id is not None:
            self.last_event_id = block.id
            self.position = sequence_of(block.id)
        if block.event == "stream.caught_up":
            self.live = True
        elif block.event == "stream.reset":
            self.tally.resets += 1
        elif block.event == "stream.closing":
            self.tally.goodbyes[json.loads(block.data or "")["reason"]] += 1
        return 0, 0


class Meters:
    """A crowd that counts; its clients run within the `async with`, connected when it begins."""

    def __init__(self, cluster: Cluster, *, clients: int, at_once: int = 100) -> None:
        self.tally = Tally()
        members = itertools.cycle(cluster.scene.members)
        self.clients = [Meter(cluster.targets, next(members), self.tally) for _ in range(clients)]
        self._at_once = at_once
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        Meter.known.clear()
        for start in range(0, len(self.clients), self._at_once):
            group = self.clients[start : start + self._at_once]
            self._running += [asyncio.create_task(client.run()) for client in group]
            await until_all(group, lambda one: one.live, within=60, what="live")
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def all(self, holds: Callable[[Meter], bool], *, within: float, what: str) -> float:
        return await until_all(self.clients, holds, within=within, what=what)
