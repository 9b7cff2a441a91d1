"""The polling twin: the same log, rights and filters, asked for page by page.

A cursor that a stream would reset is refused as `cursor-expired`: a poller has no in-band way to be told, and going on
from elsewhere would be a silent loss. `cursor` moves past what the filter hides, so that nobody asks for it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import orjson

from streaming import conf, log
from streaming.core.cursor import Cursor, Head, ResetReason
from streaming.core.entry import Entry
from streaming.core.envelope import Envelope
from streaming.core.errors import Refused
from streaming.core.event import iso_instant
from streaming.core.filter import Filter
from streaming.core.stream import Stream, registry
from streaming.opening import Request, Standing, standings

SCAN_MAX = 5_000
"""The most entries that one poll looks at; the answer then says that there is more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    events: tuple[dict[str, Any], ...]
    cursor: Cursor
    has_more: bool

    def body(self) -> bytes:
        return orjson.dumps({"events": self.events, "cursor": str(self.cursor), "hasMore": self.has_more})


def poll(request: Request, *, oldest: bool, limit: int) -> Answer | Refused:
    """Return what follows the request's cursor; without one the head, with `oldest` everything that is kept."""
    head = log.head(request.org)
    try:
        chosen = _standing(request).filter  # after the head: what is older is no right
        if request.cursor is None and not oldest:
            return Answer(events=(), cursor=head.cursor, has_more=False)
        after = _before_oldest(head) if oldest or request.cursor is None else _checked(request.cursor, request, head)
        return _collect(request.org, head, after, chosen, limit)
    except Refused as refusal:
        return refusal


def one(request: Request, sequence: int) -> dict[str, Any] | Refused:
    """Return one event whole, of whichever feed; hidden, unknown and trimmed are alike."""
    found = log.whole(request.org, sequence)  # before the rights: those must not be older than the entry
    try:
        chosen = _standing(replace(request, stream=_carrier(request.stream, found)) if found else request).filter
    except Refused as refusal:
        return refusal
    if found is None or not chosen.admits(found[0]):
        return Refused(404, "not-found", "There is no such event.")
    entry, payload = found
    return _event(entry, chosen.envelope, payload)


def _carrier(stream: Stream, found: tuple[Entry, bytes]) -> Stream:
    """Return the stream that an entry belongs to: this one, or another that every member of the org may ask for."""
    type_ = found[0].type
    others = (one for one in registry.streams.values() if type_ in one.events and "<" not in one.path)
    return stream if type_ in stream.events else next(others, stream)


def _standing(request: Request) -> Standing:
    (standing,) = standings([request])
    if isinstance(standing, Refused):
        raise standing
    return standing


def _before_oldest(head: Head) -> Cursor:
    return Cursor(head.epoch, max(head.floor - 1, 0), "")


def _checked(cursor: Cursor, request: Request, head: Head) -> Cursor:
    found = log.fingerprints([(request.org, cursor.sequence)])
    # However far behind: a poller reads page by page, and what `after=0` began must be able to go on.
    reason = head.judge(cursor, found=found.get((request.org, cursor.sequence)), reach=head.sequence)
    if reason is not None:
        raise expired(reason)
    return cursor


def expired(reason: ResetReason) -> Refused:
    return Refused(
        410,
        "cursor-expired",
        "This cursor cannot be resumed; ask for the current state and start anew.",
        details={"reason": reason.value},
    )


def _collect(org: str, head: Head, after: Cursor, chosen: Filter, limit: int) -> Answer:
    events: list[dict[str, Any]] = []
    position = after
    scanned = 0
    while len(events) < limit and scanned < SCAN_MAX and position.sequence < head.sequence:
        # Never past the head: the rights were read after it, and may be too old for what came later.
        size = min(limit, conf.streaming.PAGE_ENTRIES, head.sequence - position.sequence)
        page = log.read(org, first=position.sequence + 1, limit=size)
        if not page.entries or page.entries[0].sequence != position.sequence + 1:
            raise expired(ResetReason.TRUNCATED)
        for entry in page.entries:
            scanned += 1
            position = entry.cursor
            if chosen.admits(entry):
                events.append(_event(entry, chosen.envelope))
                if len(events) == limit:
                    break
    if not position.fingerprint:  # nothing is kept at all
        position = head.cursor
    return Answer(events=tuple(events), cursor=position, has_more=position.sequence < head.sequence)


def _event(entry: Entry, envelope: Envelope | None, payload: bytes | None = None) -> dict[str, Any]:
    return {
        "id": str(entry.cursor),
        "event": entry.type,
        "data": orjson.Fragment(entry.wrapped(envelope, payload=payload)),
        "sequence": entry.sequence,
        "emittedAt": iso_instant(entry.emitted_at),
    }
