"""The project with one of its invariants broken, for the laboratory to find: who does not see this sees nothing.

Each mutant is a patch of a process that has just been set up, and names the scenario that has to catch it and what it
is caught by: a word of the checker, or the beginning of what was asked. Windows that are narrow in the project are
held open for some milliseconds, so that one short run is enough.
"""

from __future__ import annotations

import contextlib
import random
import time
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import connection

from streaming import log, outbox, publisher, sequencer
from streaming.asgi import org, pages, session, watcher
from streaming.core import cursor, ring, sse, wire
from tests.faults.mutation import MUTANTS, WINDOW, linger, mutant, put, rewrite
from tests.streaming.sync.together import elsewhere

__all__ = ["MUTANTS"]


@mutant(scenario="storm", caught_by="lost")
def numbered_by_id() -> None:
    """The sequencer finds what waits by an id above the last numbered one, not by a missing sequence."""
    later = "SELECT max(numbered.id) FROM streaming_logentry AS numbered WHERE numbered.org = waiting.org"
    rewrite(
        r"waiting\.sequence IS NULL",
        f"waiting.sequence IS NULL AND waiting.id > coalesce(({later} AND numbered.sequence IS NOT NULL), 0)",
    )


@mutant(scenario="storm", caught_by="inconsistent-seq")
def sequencer_without_lock() -> None:
    """Two sequencers number one org at the same time, and neither counts nor is constrained."""
    with connection.cursor() as on:
        on.execute("ALTER TABLE streaming_logentry DROP CONSTRAINT IF EXISTS streaming_entry_position")
    connection.close()
    rewrite("FOR NO KEY UPDATE.*SKIP LOCKED", "")

    def advance(heads: Any, entries: Any) -> None:
        time.sleep(WINDOW)
        with connection.cursor() as on:
            for key, rows in entries.items():
                position = [rows[-1].sequence, rows[-1].fingerprint, key]
                on.execute("UPDATE streaming_head SET sequence = %s, fingerprint = %s WHERE org = %s", position)

    put(sequencer, "_advance", advance)


@mutant(scenario="bursts", caught_by="delivery")
def no_second_look() -> None:
    """Who holds the lock does not look again after it, and nobody sweeps."""
    put(sequencer, "_waiting", lambda orgs: set())
    put(sequencer, "waiting_orgs", set)
    linger(sequencer, "_advance")


@mutant(scenario="storm", caught_by="nonmonotonic")
def numbered_in_any_order() -> None:
    """Sequences do not follow the order of writes."""
    rewrite(r"ORDER BY\s+waiting\.id", "ORDER BY random()")


@mutant(scenario="storm", caught_by="aborted-read")
def emitted_outside_the_transaction() -> None:
    """An event is inserted by a connection of its own, and so stays when its transaction is rolled back."""
    real = outbox.append
    put(outbox, "append", lambda rows, alias: elsewhere(lambda: real(rows, alias)))


@mutant(scenario="redis-frozen", caught_by="lost")
def ring_unchecked() -> None:
    """The ring appends whatever it is offered."""

    def offer(self: ring.Ring, batch: Any) -> ring.Offer:
        news = [entry for entry in batch.entries if entry.sequence > self.head.sequence]
        if not news:
            return ring.Offer.KNOWN
        self._append(news)
        return ring.Offer.APPENDED

    put(ring.Ring, "offer", offer)


@mutant(scenario="storm", caught_by="lost")
def gaps_dropped() -> None:
    """The hub takes the newest entry for the whole of what it lacks, and nobody live looks further back."""

    async def fill(self: org.OrgHub) -> None:
        page = await self._bridge.call(log.recent, self.org, limit=1)
        self._start(page)

    real = org.OrgHub.chunk

    def chunk(self: org.OrgHub, chosen: Any, start: int, stop: int) -> Any:
        return real(self, chosen, start if self.ring is None else max(start, self.ring.start), stop)

    put(org.OrgHub, "_fill", fill)
    put(org.OrgHub, "chunk", chunk)


@mutant(scenario="storm", caught_by="cross-org")
def pages_of_anybody() -> None:
    """A page that was kept for one org's replay serves every org's."""

    def find(self: pages.Pages, key: str, epoch: str, sequence: int) -> Any:
        for page in self._kept.values():
            if page[0].sequence <= sequence <= page[-1].sequence:
                return page[sequence - page[0].sequence :]
        return None

    put(pages.Pages, "find", find)


@mutant(scenario="storm", caught_by="duplicate")
def sent_again() -> None:
    """Now and then a write begins with what the one before it ended with."""
    real = org.OrgHub.chunk

    def chunk(self: org.OrgHub, chosen: Any, start: int, stop: int) -> Any:
        again = random.random() < 0.05 and self.ring is not None and start > self.ring.start
        return real(self, chosen, start - 1 if again else start, stop)

    put(org.OrgHub, "chunk", chunk)


@mutant(scenario="storm", caught_by="lost")
def cursor_too_early() -> None:
    """The first block of a resumed stream has the head's id, before what lies between has been written."""
    heads: list[str] = [""]
    take, control = session.Session._take, sse.control

    def taking(self: session.Session, opening: Any, start: Any) -> None:
        heads[0] = str(opening.head.cursor)
        take(self, opening, start)

    def early(event: str, data: object, *, id: str | None = None, retry: int | None = None) -> bytes:
        return control(event, data, id=heads[0] if id and event == "stream.open" else id, retry=retry)

    put(session.Session, "_take", taking)
    put(sse, "control", early)


@mutant(scenario="database-overtaken", caught_by="0 clients told nothing")
def fingerprint_ignored() -> None:
    """A cursor is good if its sequence is not ahead, whichever entry it has seen there."""
    ahead = cursor.ResetReason.AHEAD

    def judge(self: cursor.Head, one: cursor.Cursor, **_: Any) -> cursor.ResetReason | None:
        return None if one.sequence <= self.sequence else ahead

    put(cursor.Head, "judge", judge)


@mutant(scenario="database-restored", caught_by="0 clients told nothing")
def replacement_untold() -> None:
    """A hub whose log was replaced begins anew and tells nobody."""
    real = org.OrgHub.replaced

    def replaced(self: org.OrgHub, head: Any) -> None:
        readers, self.readers = self.readers, {}
        real(self, head)
        self.readers = readers

    put(org.OrgHub, "replaced", replaced)


@mutant(scenario="no-redis-at-boot", caught_by="delivery without Redis")
def no_watcher() -> None:
    """Nobody asks the heads: what no poke announces is not found."""

    async def ask(self: watcher.Watcher) -> bool:
        return True

    put(watcher.Watcher, "ask", ask)


@mutant(scenario="redis-frozen", caught_by="more than before")
def writers_wait_for_the_layer() -> None:
    """A writer sends its poke itself, and waits until the layer has taken it."""

    def poke(key: str, head: int) -> None:
        layer: Any = get_channel_layer()
        with contextlib.suppress(Exception):
            async_to_sync(layer.group_send)(wire.group_name(key), publisher.poke_message(key, head))

    put(publisher, "poke", poke)
