"""One visit to the database that opens many connections: heads, then rights; then, where one is due, the state.

The order is the promise. Rights older than the head are not rights: what was revoked before the head is seen by the
read that follows it, what is revoked after it comes as an entry. That goes for the credential too, which is therefore
looked at once more: it was recognised before anybody knew whose head to read. A snapshot is read after its head, so
that everything it misses has a later sequence.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from streaming import access, authentication, conf, jwt, log
from streaming.authentication import Credential, Identity
from streaming.core import sse
from streaming.core.condensation import EVERYTHING_IS_TOLD, Condensation
from streaming.core.cursor import Cursor, Head, ResetReason
from streaming.core.envelope import Envelope, Told
from streaming.core.errors import CloseReason, Refused, forbidden
from streaming.core.event import Announcement
from streaming.core.filter import Filter
from streaming.core.rights import Rights
from streaming.core.stream import Stream
from streaming.outbox import fit

logger = logging.getLogger("streaming.opening")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a connection asks for. `reset` forces one, for a session whose log was replaced under it."""

    stream: Stream
    credential: Credential
    user: Any
    org: str
    types: frozenset[str] | None
    path: dict[str, str]
    query: dict[str, str]
    cursor: Cursor | None = None
    reset: ResetReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a stream may go on with."""

    filter: Filter
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Where a connection starts: the head as it was read, its right, and why its cursor was not good, if so; else what
    its replay leaves out.
    """

    head: Head
    standing: Standing
    reset: ResetReason | None
    condensation: Condensation = EVERYTHING_IS_TOLD
    incarnation: int = 0
    """Which of the org's logs in this process it belongs to; the hub's, filled in by whoever asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whose state is asked for, and what of it the asker may see."""

    request: Request
    filter: Filter


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A stream's state, encoded in writes that all who asked alike share, and the right to it as it was afterwards."""

    writes: tuple[bytes, ...]
    standing: Standing


def visit(requests: Sequence[Request]) -> list[Opening | Refused]:
    """Open all, in the order of steps that the module promises; one result per request."""
    heads = _heads({request.org for request in requests})
    found = log.fingerprints({_position(request) for request in requests if request.cursor is not None})
    condensed = cache(_condensed)  # many come back from the same place
    return [
        _open(request, heads[request.org], found, standing, condensed)
        for request, standing in zip(requests, standings(requests), strict=True)
    ]


def _heads(orgs: set[str]) -> dict[str, Head]:
    heads = log.heads(orgs)
    missing = orgs - heads.keys()
    if missing:
        log.ensure_heads(missing)
        heads.update(log.heads(missing))
    return heads


def _position(request: Request) -> tuple[str, int]:
    assert request.cursor is not None
    return request.org, request.cursor.sequence


def _open(
    request: Request,
    head: Head,
    found: dict[tuple[str, int], str],
    standing: Standing | Refused,
    condensed: Callable[[str, int, int, frozenset[str]], Condensation],
) -> Opening | Refused:
    if isinstance(standing, Refused):
        return standing
    reset = request.reset
    if reset is None and request.cursor is not None:
        reset = head.judge(request.cursor, found=found.get(_position(request)), reach=conf.streaming.REPLAY_MAX)
    opening = Opening(head=head, standing=standing, reset=reset)
    if reset is not None or request.cursor is None or not request.stream.condenses:
        return opening
    left_out = condensed(request.org, request.cursor.sequence, head.sequence, standing.filter.types)
    return replace(opening, condensation=left_out)


def _condensed(org: str, after: int, until: int, types: frozenset[str]) -> Condensation:
    limit = conf.streaming.EVENT_STREAM_REPLAY_LIMIT
    if until - after <= limit:
        return EVERYTHING_IS_TOLD
    newest, left_out = log.crowded(org, after=after, until=until, types=types, limit=limit)
    if not newest:
        return EVERYTHING_IS_TOLD
    logger.info("replay condensed: %d events of %d resources are left out", left_out, len(newest), extra={"org": org})
    return Condensation(newest)


def standings(requests: Sequence[Request]) -> list[Standing | Refused]:
    """Look up what streams may see now, by their credentials and then by what their users may see."""
    credentials = list({request.credential: None for request in requests})
    identities = dict(zip(credentials, authentication.verify_many(credentials), strict=True))
    members = {  # with the user as he is now
        (identity.user.pk, request.org): (identity.user, request.org)
        for request in requests
        if (identity := identities[request.credential]) is not None
    }
    rights = dict(zip(members, access.current().rights_of_many(list(members.values())), strict=True))
    return [_standing(request, identities[request.credential], rights) for request in requests]


def prospects(requests: Sequence[Request]) -> list[Standing | Refused]:
    """Look up what open streams may go on with: as `standings`, and their feeds may have been switched off."""
    off = _switched_off([request for request in requests if request.stream.has_switch])
    return [
        switched_off() if isinstance(standing, Standing) and _feed(request) in off else standing
        for request, standing in zip(requests, standings(requests), strict=True)
    ]


def _switched_off(requests: Sequence[Request]) -> frozenset[tuple[str, str]]:
    feeds = {_feed(request): (request.stream, request.org) for request in requests}
    if not feeds:
        return frozenset()
    enabled = access.current().enabled_of_many(list(feeds.values()))
    return frozenset(feed for feed, is_on in zip(feeds, enabled, strict=True) if not is_on)


def _feed(request: Request) -> tuple[str, str]:
    return request.stream.name, request.org


def _standing(
    request: Request, identity: Identity | None, rights: Mapping[tuple[Any, str], Rights | None]
) -> Standing | Refused:
    if identity is None and jwt.undecided(request.credential):
        return _undecided()
    if identity is None or identity.user.pk != request.user.pk:
        return authentication.unauthenticated()
    if identity.token_id is not None and identity.org != request.org:
        return forbidden()
    try:
        granted = rights[identity.user.pk, request.org]
        return Standing(filter=_scoped(request, granted), expires_at=identity.expires_at)
    except Refused as refusal:
        return refusal


def _scoped(request: Request, rights: Rights | None) -> Filter:
    """Return the filter of a request, or refuse what is not the user's."""
    if rights is None:
        raise forbidden()
    stream = request.stream
    types = stream.types if request.types is None else request.types
    chosen = Filter(types=types, rights=rights, envelope=stream.envelope)
    if stream.scope is None:
        return chosen
    return replace(chosen, scope=stream.scope(request.org, request.path, request.query, rights))


def _undecided() -> Refused:
    return Refused(
        503,
        "stream-unavailable",
        jwt.ISSUER_AWAY,
        headers={"Retry-After": "5"},
        temporary=True,
        ends=CloseReason.UNAVAILABLE,
    )


def switched_off() -> Refused:
    return Refused(503, "stream-unavailable", "This feed is switched off.", ends=CloseReason.DISABLED)


def states(questions: Sequence[Question]) -> list[State | Refused]:
    """Return the current state of streams as far as their filters let it through, each read once for all who may see
    the same; to be read after their openings' heads.

    The right to it is looked up once more after it was read: a state may hold what came after a revocation that no
    entry has told of yet. A visit of its own, because a slow snapshot is nothing that the openings of others should
    wait for.
    """
    alike = {_likeness(question): question for question in questions}
    read = {likeness: _read(question) for likeness, question in alike.items()}
    now = standings([question.request for question in questions])
    return [
        standing if isinstance(standing, Refused) else State(writes=read[_likeness(question)], standing=standing)
        for question, standing in zip(questions, now, strict=True)
    ]


def _likeness(question: Question) -> tuple[str, str, Filter]:
    return question.request.stream.name, question.request.org, question.filter


def _read(question: Question) -> tuple[bytes, ...]:
    stream, org, chosen = question.request.stream, question.request.org, question.filter
    if stream.snapshot is None:
        return ()
    # Read before the state: what the state holds may be newer than it says, never older.
    sequence = log.head(org).sequence if stream.envelope is not None else 0
    announcements = (Announcement.of(event) for event in stream.snapshot(org, chosen.rights))
    blocks = (_encoded(one, org, stream.envelope, sequence) for one in announcements if chosen.admits(one))
    return tuple(sse.joined(blocks, limit=conf.streaming.WRITE_BYTES))


def _encoded(one: Announcement, org: str, envelope: Envelope | None, sequence: int) -> bytes:
    data = fit(one.event.payload(), type=one.type, resource=one.resource, org=org)
    if envelope is not None:
        told = Told(
            type=one.type,
            resource=one.resource,
            data=data,
            sequence=sequence,
            emitted_at=datetime.now(UTC),
            is_snapshot=True,
        )
        data = envelope(told)
    return sse.block(event=one.type, data=data)
