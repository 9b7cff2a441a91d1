"""The consumers: one per stream path for SSE, one for its polling twin, one for a single event.

Channels' HTTP consumer as it ships cannot stream: while `handle` runs it sees no disconnect, and when it returns the
response ends. The class is kept, `__call__` is replaced: the connection's only task opens the session and then waits
for the client to leave, while the hub writes.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, ClassVar

import orjson
from channels.generic.http import AsyncHttpConsumer

from streaming import authentication, polling, tickets
from streaming.asgi import lifespan
from streaming.asgi.admission import Admission, admit, draining, offer
from streaming.asgi.bridge import DATABASE_AWAY
from streaming.asgi.exchange import READING, STREAM_HEADERS, Exchange, bad_query
from streaming.asgi.lifespan import Process
from streaming.asgi.limits import unavailable
from streaming.asgi.session import Session, farewell
from streaming.authentication import Identity
from streaming.core.cursor import Cursor, ResetReason
from streaming.core.errors import CloseReason, Refused
from streaming.core.stream import Stream
from streaming.opening import Opening

logger = logging.getLogger("streaming.consumers")

Receive = Callable[[], Awaitable[dict[str, Any]]]


class Consumer(AsyncHttpConsumer):
    """Answers refusals and what nobody expected; `serve` does the work."""

    allowed: ClassVar[str] = READING

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        exchange = Exchange(scope, receive, send)
        process = lifespan.current()
        try:
            if exchange.method == "OPTIONS":
                await exchange.preflight(self.allowed)
            else:
                await self.serve(exchange, process)
        except Refused as refusal:
            await self._refuse(exchange, process, refusal, CloseReason.AUTH_REVOKED)
        except DATABASE_AWAY as error:
            logger.warning("the database does not answer: %s", error)
            await self._refuse(exchange, process, unavailable("The database does not answer."), CloseReason.UNAVAILABLE)
        except Exception:
            logger.exception("a stream failed to open", extra={"request_id": exchange.request_id})
            internal = Refused(500, "internal", "Something went wrong on our side.")
            await self._refuse(exchange, process, internal, CloseReason.ERROR)

    async def _refuse(self, exchange: Exchange, process: Process, refusal: Refused, reason: CloseReason) -> None:
        """Answer with a refusal; where the headers are out, as when the log was replaced meanwhile, with a goodbye."""
        if exchange.started:
            body = farewell(reason, round(process.uniform(1000, 5000)))
            await exchange.send({"type": "http.response.body", "body": body})
        else:
            await exchange.refuse(refusal, in_band=self.in_band(exchange))

    async def serve(self, exchange: Exchange, process: Process) -> None:
        raise NotImplementedError

    def in_band(self, exchange: Exchange) -> bool:
        return False


class StreamConsumer(Consumer):
    """A consumer of one declared stream."""

    def __init__(self, *, stream: Stream) -> None:
        super().__init__()
        self.stream = stream


class SSEConsumer(StreamConsumer):
    """A stream of server-sent events."""

    def in_band(self, exchange: Exchange) -> bool:
        return b"refusal=stream" in exchange.scope.get("query_string", b"").split(b"&")

    async def serve(self, exchange: Exchange, process: Process) -> None:
        admission = await admit(exchange, self.stream, process)
        if exchange.method == "HEAD":
            await self._visit(process, admission)
            await exchange.start(200, STREAM_HEADERS)
            await exchange.send({"type": "http.response.body", "body": b""})
            return
        await self._stream(exchange, process, admission)

    async def _stream(self, exchange: Exchange, process: Process, admission: Admission) -> None:
        """Register, join, visit, take a place, begin; then wait for the end."""
        session = self._session(exchange, process, admission)
        org = process.hub.org(admission.request.org)
        org.attach(session)
        try:
            await process.pump.join(admission.request.org)
            opening = await self._visit(process, admission)
            await use(exchange, admission.identity, process)
            if process.draining:
                raise draining()  # the goodbyes have been said meanwhile; this one would have missed its own
            # Only now: whose org it is not learns that, and not how full it is.
            process.supersede(key := self._key(admission))
            try:
                places = process.limits.take(
                    user=admission.identity.user_id, org=admission.request.org, address=exchange.address
                )
            except Refused:
                await give_back(admission.identity, process)
                raise
            session.hold(places)
            process.open(session, key=key)
            reconnect = offer(exchange, self.stream, admission.identity)
            await exchange.start(200, STREAM_HEADERS)
            while org.incarnation != opening.incarnation:  # the log was replaced while the headers went out
                opening = await self._visit(process, admission)
            exchange.scope["headers"] = []  # held for hours otherwise; never the whole scope, servers look into it
            exchange.headers.clear()
            session.begin(opening, resume=admission.resume, reconnect=reconnect)
            while (await exchange.receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            if session.reason is None:
                session.reason = "cancelled"
                raise
        finally:
            session.gone()

    async def _visit(self, process: Process, admission: Admission) -> Opening:
        opening = await process.visit(admission.request)
        if isinstance(opening, Refused):
            raise opening
        return opening

    def _session(self, exchange: Exchange, process: Process, admission: Admission) -> Session:
        task = asyncio.current_task()
        assert task is not None
        return Session(
            process,
            admission.request,
            exchange.send,
            task=task,
            connection_id=f"con_{secrets.token_urlsafe(12)}",
            named_heartbeat=admission.named_heartbeat,
        )

    def _key(self, admission: Admission) -> tuple[str, str] | None:
        """Return what makes a newer connection supersede an older one."""
        if not admission.connection:
            return None
        return admission.identity.user_id, admission.connection


class PollConsumer(StreamConsumer):
    """The polling twin of a stream."""

    async def serve(self, exchange: Exchange, process: Process) -> None:
        admission = await admit(exchange, self.stream, process, is_poll=True)
        limit, wait, oldest, cursor = _poll_query(exchange)
        request = replace(admission.request, cursor=cursor)
        await use(exchange, admission.identity, process)
        waiter = Waiter()
        try:
            if wait:
                process.hub.org(request.org).attach(waiter)
                await process.pump.join(request.org)
            deadline = process.now() + wait
            answer = await process.reading.ask(polling.poll, request, oldest=oldest, limit=limit)
            while _is_empty(answer) and cursor is not None and not process.draining:
                if not await waiter.woken(deadline - process.now()):
                    break
                answer = await process.reading.ask(polling.poll, request, oldest=False, limit=limit)
                if isinstance(answer, polling.Answer):
                    request = replace(request, cursor=answer.cursor)
        finally:
            if wait:
                process.hub.org(request.org).detach(waiter)
        if isinstance(answer, Refused):
            raise answer
        await exchange.answer(200, answer.body(), headers={"Cache-Control": "no-store"})


class EntryConsumer(StreamConsumer):
    """One event of a stream, whole."""

    async def serve(self, exchange: Exchange, process: Process) -> None:
        admission = await admit(exchange, self.stream, process, is_poll=True)
        text = exchange.path.get("sequence", "")
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise Refused(400, "validation-failed", "A sequence is a whole number.")
        await use(exchange, admission.identity, process)
        found = await process.reading.ask(polling.one, admission.request, int(text))
        if isinstance(found, Refused):
            raise found
        await exchange.answer(200, orjson.dumps(found), headers={"Cache-Control": "no-store"})


async def use(exchange: Exchange, identity: Identity, process: Process) -> None:
    """Use up the ticket, if it was by one, unless it is only asked about; refuses where somebody else was quicker."""
    if identity.ticket_id is None or exchange.method == "HEAD":
        return
    if not await process.bridge.ask(tickets.use, identity.ticket_id):
        raise authentication.unauthenticated()


async def give_back(identity: Identity, process: Process) -> None:
    """Let the ticket be tried again: nothing was opened by it."""
    if identity.ticket_id is not None:
        await process.bridge.ask(tickets.give_back, identity.ticket_id)


class Waiter:
    """A long poll at rest: one reader of the ring that only wants to know that something came."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.rights_at = 0

    def flush(self) -> None:
        self._event.set()

    def log_replaced(self, reason: ResetReason) -> None:
        self._event.set()

    def rights_moved(self, users: frozenset[str]) -> None:
        """Nothing is held: each look reads the rights anew."""

    def failed(self) -> None:
        self._event.set()

    async def woken(self, timeout: float) -> bool:
        """Wait for news; False when the time is over."""
        if timeout <= 0:
            return False
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


def _is_empty(answer: polling.Answer | Refused) -> bool:
    return isinstance(answer, polling.Answer) and not answer.events and not answer.has_more


def _poll_query(exchange: Exchange) -> tuple[int, int, bool, Cursor | None]:
    """Return limit, wait in seconds, whether from the oldest, and the cursor."""
    limit = _number(exchange, "limit", 1, 500, default=100)
    wait = _number(exchange, "wait", 0, 25, default=0)
    after = exchange.parameter("after").strip()
    if after in ("", "0"):
        return limit, wait, after == "0", None
    cursor = Cursor.parse(after)
    if cursor is None:
        raise bad_query("after is a cursor, as a stream or an earlier poll has given it, or 0.")
    return limit, wait, False, cursor


def _number(exchange: Exchange, name: str, least: int, most: int, *, default: int) -> int:
    text = exchange.parameter(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 6 and least <= int(text) <= most):
        raise bad_query(f"{name} is a whole number from {least} to {most}.")
    return int(text)
