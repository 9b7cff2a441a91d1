"""From a request to the right to stream: every check in the contract's order, the first that fails answers.

    405 method · 429 connects of this address · 503 draining, full, database or issuer of tokens away · 401
    503 switched off
    400 query · 403 or 404 not yours · 429 too many streams

The last two belong to the caller: what is whose is only known after the visit to the database, which comes after the
session has been registered, and a place is taken just before that.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
from dataclasses import dataclass

from django.http import QueryDict

from streaming import access, authentication, jwt, reconnect
from streaming.asgi.bridge import DATABASE_AWAY
from streaming.asgi.exchange import READING, Exchange, bad_query
from streaming.asgi.lifespan import Process
from streaming.asgi.limits import unavailable
from streaming.authentication import Binding, Identity
from streaming.core.cursor import Cursor
from streaming.core.errors import Refused, forbidden
from streaming.core.stream import Stream
from streaming.core.wire import canonical, is_org
from streaming.opening import Request, switched_off
from streaming.reconnect import Offer

logger = logging.getLogger("streaming.admission")

CURSOR_NAMES = ("lastEventId", "last_event_id", "lastEventID")
UNBOUND = frozenset({*CURSOR_NAMES, "token", "ticket", "after", "limit", "wait"})
"""The parameters that may differ from one use of a reconnect token to the next."""
_CONNECTION = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A request that may stream as far as is known before its visit to the database.

    `resume` tells what became of its cursor: none, ok (if the log agrees) or malformed.
    """

    identity: Identity
    request: Request
    resume: str
    named_heartbeat: bool
    connection: str


async def admit(exchange: Exchange, stream: Stream, process: Process, *, is_poll: bool = False) -> Admission:
    """Check everything up to the query; raises `Refused`. A poll needs no feed that is switched on."""
    if exchange.method not in ("GET", "HEAD"):
        raise Refused(405, "method-not-allowed", "Streams are read with GET.", headers={"Allow": READING})
    identity = await arrive(exchange, process)
    check_binding(exchange, stream, identity)
    if not is_poll:
        await check_enabled(stream, identity.org, process)
    cursor, resume = _cursor(exchange, identity.position)
    request = _request(exchange, stream, identity, cursor)
    named_heartbeat, connection = _choice(exchange, "heartbeat", "event"), _connection(exchange)
    check_origin(exchange, identity)
    if not request.org:
        raise forbidden()  # a user of no org
    return Admission(
        identity=identity,
        request=request,
        resume=resume,
        named_heartbeat=named_heartbeat,
        connection=connection,
    )


async def arrive(exchange: Exchange, process: Process) -> Identity:
    """Return who asks, if he and this process may go on."""
    process.limits.connecting(exchange.address)
    if process.draining:
        raise draining()
    process.limits.check_process()
    if not process.watcher.database_ok:
        raise unavailable("The database does not answer.")  # at once; the watcher finds out when it is back
    return await identify(exchange, process)


def draining() -> Refused:
    return unavailable("This server is shutting down; another one is not.")


async def identify(exchange: Exchange, process: Process) -> Identity:
    """Return who asks, or refuse; the first credential that is present decides."""
    try:
        query = exchange.query
    except Refused:
        query = QueryDict()  # told to whoever has signed in by a header
    credential = authentication.find(exchange.headers, query)
    if credential is None:
        raise authentication.unauthenticated()
    fetch = jwt.pending(credential)
    if fetch is not None:  # the key that his token was signed with is on its way
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(fetch), jwt.WAIT_SECONDS)
    if jwt.undecided(credential):
        raise unavailable(jwt.ISSUER_AWAY)
    try:
        identity = await process.identify(credential)
    except DATABASE_AWAY as error:
        logger.warning("cannot look up a credential: %s", error)
        raise unavailable("The database does not answer.") from None
    if identity is None:
        raise authentication.unauthenticated()
    return identity


async def check_enabled(stream: Stream, org: str | None, process: Process) -> None:
    """Refuse a stream of a feed that is switched off; to poll it is what remains."""
    if stream.has_switch and not all(await process.bridge.ask(access.current().enabled_of_many, [(stream, org)])):
        raise switched_off()


def _request(exchange: Exchange, stream: Stream, identity: Identity, cursor: Cursor | None) -> Request:
    types = _types(exchange, stream)
    _choice(exchange, "refusal", "stream")
    return Request(
        stream=stream,
        credential=identity.credential,
        user=identity.user,
        org=identity.org if identity.org is not None and is_org(identity.org) else "",
        types=types,
        path=exchange.path,
        query={name: exchange.parameter(name) for name in stream.queries if name in exchange.query},
        cursor=cursor,
    )


def _types(exchange: Exchange, stream: Stream) -> frozenset[str] | None:
    text = exchange.parameter("types")
    if not text.strip():
        return None
    chosen = frozenset(part.strip() for part in text.split(","))
    unknown = sorted(chosen - stream.types)
    if unknown:
        raise bad_query("This feed has no such type.", types=[name[:60] for name in unknown[:10]])
    return chosen


def _cursor(exchange: Exchange, position: str) -> tuple[Cursor | None, str]:
    """Read the cursor: the header if there is one, because a browser that reconnects repeats the old URL.

    Where none is given, the position that the credential carries.
    """
    given = exchange.headers.get("last-event-id")
    if given is None:
        given = next((exchange.parameter(name) for name in CURSOR_NAMES if name in exchange.query), position or None)
    if given is None:
        return None, "none"
    cursor = Cursor.parse(given.strip())
    return cursor, "malformed" if cursor is None else "ok"


def _choice(exchange: Exchange, name: str, value: str) -> bool:
    """Read a parameter that has one meaningful value."""
    given = exchange.parameter(name)
    if given not in ("", value):
        raise bad_query(f"{name} can only be {value!r}.")
    return bool(given)


def _connection(exchange: Exchange) -> str:
    given = exchange.parameter("connection")
    if given and not _CONNECTION.fullmatch(given):
        raise bad_query("connection is 1 to 40 of A-Z a-z 0-9 _ -.")
    return given


def check_binding(exchange: Exchange, stream: Stream, identity: Identity) -> None:
    """Refuse a ticket or a reconnect token that was made for another page, or for another address."""
    binding = identity.binding
    if binding is None:
        return
    if not _is_from(exchange, binding.origin) or binding.address not in (None, _address(exchange, stream)):
        raise authentication.unauthenticated()


def _is_from(exchange: Exchange, origin: str) -> bool:
    """Say whether a request comes from a page of this origin; empty is the origin of whoever sends none.

    A browser sends no origin with what a page reads from its own site.
    """
    host = exchange.headers.get("host", "")
    given, site = exchange.headers.get("origin", ""), exchange.headers.get("sec-fetch-site", "none")
    if given:
        return given == origin if origin else _host(given) == host
    return site == "same-origin" or (site == "none" and (not origin or _host(origin) == host))


def _host(origin: str) -> str:
    return origin.partition("://")[2]


def _address(exchange: Exchange, stream: Stream) -> str:
    """Return a digest of what is asked for, the same for a stream and its twins."""
    asked = sorted((name, values) for name, values in exchange.query.lists() if name not in UNBOUND)
    return hashlib.sha256(canonical([stream.path, exchange.path, asked])).hexdigest()[:32]


def offer(exchange: Exchange, stream: Stream, identity: Identity) -> Offer | None:
    """Return what this connection's reconnect token is for, where the site takes such tokens."""
    proof = authentication.proof(identity) if reconnect.offered() else None
    if proof is None:
        return None
    origin = identity.binding.origin if identity.binding else exchange.headers.get("origin", "")
    return Offer(
        user_id=identity.user_id,
        org=identity.org or "",
        binding=Binding(origin=origin, address=_address(exchange, stream)),
        proof=proof,
    )


def check_origin(exchange: Exchange, identity: Identity) -> None:
    """Refuse a stream that a foreign page opens with the user's cookie."""
    if not identity.credential.cookie or exchange.listed_origin:
        return
    site = exchange.headers.get("sec-fetch-site")
    if site is None:
        origin = exchange.headers.get("origin")
        same = origin is None or _host(origin) == exchange.headers.get("host", "")
    else:
        same = site in ("same-origin", "none")
    if not same:
        raise forbidden()
