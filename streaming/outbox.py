"""The one door by which events enter the log.

`emit` inserts the event into the outbox, in the caller's transaction and after the change that it announces: rolled
back together, committed together. Nothing is locked and nothing is counted, so writers never wait for each other.
After the commit the org is handed to the sequencer.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connections, transaction
from django.utils import timezone

from streaming import conf, sequencer
from streaming.core import sse, wire
from streaming.core.errors import EmitError, NotInTransaction, WrongDatabase
from streaming.core.event import Announcement, Event
from streaming.core.stream import registry
from streaming.models import LogEntry, phrase

logger = logging.getLogger("streaming.outbox")


RESOURCE_MAX = 64
"""What the column holds; SQLite would take more, and PostgreSQL refuse it with an error of its own."""


class _Pending(threading.local):
    """Orgs that this thread's transactions have emitted for.

    One set for all of them: an org whose savepoint was rolled back is handed over for nothing, which is harmless,
    while deciding per savepoint would lose the one that a later, kept savepoint shares.
    """

    def __init__(self) -> None:
        self.orgs: set[str] = set()


_pending = _Pending()


def emit(
    event: Event | Announcement,
    *,
    org: str,
    resource: str = "",
    using: str | None = None,
    emitted_at: datetime | None = None,
) -> LogEntry:
    """Append one event to the org's outbox; raises outside a transaction, and outside the log's database."""
    announcement = Announcement.of(event, resource=resource)
    return emit_many([(org, announcement)], using=using, emitted_at=emitted_at)[0]


def emit_many(
    announcements: Iterable[tuple[str, Announcement]],
    *,
    using: str | None = None,
    emitted_at: datetime | None = None,
) -> list[LogEntry]:
    """Append events in the order given, by one insert."""
    alias = conf.streaming.DATABASE
    if using is not None and using != alias:
        raise WrongDatabase(f"The log is in the database {alias!r} and the row was written to {using!r}.")
    connection = connections[alias]
    if not connection.in_atomic_block:
        raise NotInTransaction()
    at = emitted_at or timezone.now()
    rows = [_row(org, announcement, at) for org, announcement in announcements]
    append(rows, alias)
    return rows


def append_copies(originals: Iterable[LogEntry], *, org: str, epoch: str) -> None:
    """Append copies of entries to an org's log, each with its original's cursor; as they are, unchecked."""
    alias = conf.streaming.DATABASE
    at = timezone.now()
    copies = [
        LogEntry(
            org=org,
            type=row.type,
            resource=row.resource,
            keys=row.keys,
            audience=row.audience,
            data=row.data,
            whole=row.whole,
            emitted_at=at,
            replay_of=f"{epoch}.{row.sequence}.{row.uid.hex[:8]}",
        )
        for row in originals
    ]
    with transaction.atomic(using=alias):
        append(copies, alias)


def append(rows: list[LogEntry], alias: str) -> None:
    """Insert rows into the outbox, as they are, and have their orgs handed over after the commit."""
    if len(rows) == 1:
        rows[0].save(using=alias, force_insert=True)
    else:
        LogEntry.objects.using(alias).bulk_create(rows, batch_size=1000)
    _pending.orgs.update(row.org for row in rows)
    # Every emit registers its own: a rolled back savepoint takes its registrations away, and only those.
    transaction.on_commit(_hand_over, using=alias, robust=True)


def _row(org: str, announcement: Announcement, at: datetime) -> LogEntry:
    event = announcement.event
    if not wire.is_org(org):
        raise EmitError(f"An org's key is 1 to 40 of A-Z a-z 0-9 _ -, not {org!r}.")
    registry.event(event.event_type)
    _check_words(announcement.keys | announcement.audience)
    if len(announcement.resource) > RESOURCE_MAX:
        raise EmitError(f"A resource is at most {RESOURCE_MAX} characters, not {len(announcement.resource)}.")
    whole = event.payload()
    data = fit(whole, type=event.event_type, resource=announcement.resource, org=org)
    return LogEntry(
        org=org,
        type=event.event_type,
        resource=announcement.resource,
        keys=phrase(announcement.keys),
        audience=phrase(announcement.audience),
        data=data.decode(),
        whole=None if data is whole else whole.decode(),
        emitted_at=at,
    )


def fit(payload: bytes, *, type: str, resource: str, org: str) -> bytes:
    """Return the payload, or its thin stand-in where one event on the wire could not hold it."""
    limit: int = conf.streaming.EVENT_MAX_BYTES
    if len(payload) + sse.overhead(type) <= limit:
        return payload
    logger.warning(
        "event of %d bytes goes out thin", len(payload), extra={"org": org, "type": type, "resource": resource}
    )
    return wire.thin(type=type, resource=resource, size=len(payload))


def _check_words(members: frozenset[str]) -> None:
    for member in members:
        if not member or member.split() != [member]:
            raise EmitError(f"A key or name is one word, not {member!r}.")


def _hand_over(*_: Any) -> None:
    """Hand this commit's orgs to the sequencer; the first registration takes them all, the others find none."""
    orgs, _pending.orgs = _pending.orgs, set()
    if orgs:
        sequencer.hand_over(orgs)
