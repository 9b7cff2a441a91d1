"""One connection's life: its position in the log, its filter, its clock.

    opening ──begin──► behind ──caught up──► live ──close(reason)──► ended
                         ▲                    │
                         └──── log replaced ──┘          (any state ──client gone──► ended)

Replay and live are the same loop: `flush` takes what stands at the position and writes it, whether it comes from a page
or from the ring. While a write is under way nothing is composed, so a slow client costs no memory. The connection's own
task only waits for the client to leave: one task a connection is 13 KB, a writer and a watcher 15, the stock consumer
16.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from streaming import conf
from streaming.asgi.limits import Place
from streaming.asgi.writer import Send, Writer
from streaming.core import sse
from streaming.core.condensation import EVERYTHING_IS_TOLD
from streaming.core.cursor import Cursor, ResetReason
from streaming.core.errors import CloseReason, Refused
from streaming.core.event import iso_instant
from streaming.core.filter import Filter
from streaming.opening import Opening, Question, Request, Standing

if TYPE_CHECKING:
    from streaming.asgi.lifespan import Process
    from streaming.reconnect import Offer

logger = logging.getLogger("streaming.session")


class Session:
    __slots__ = (
        "__weakref__",
        "_awaits_state",
        "_begun",
        "_caught_up",
        "_condensation",
        "_connection_id",
        "_cut_at",
        "_dies_at",
        "_ending",
        "_expires_at",
        "_farewell",
        "_filter",
        "_heartbeat_at",
        "_held",
        "_lagging_since",
        "_lives_until",
        "_named_heartbeat",
        "_org",
        "_places",
        "_position",
        "_prelude",
        "_process",
        "_reading",
        "_ready",
        "_released",
        "_replayed",
        "_resetting",
        "_shown",
        "_target",
        "_task",
        "_telling_state",
        "_writer",
        "bucket",
        "reason",
        "request",
        "version",
    )

    def __init__(
        self,
        process: Process,
        request: Request,
        send: Send,
        *,
        task: asyncio.Task[Any],
        connection_id: str,
        named_heartbeat: bool,
    ) -> None:
        now = process.now()
        self._process = process
        self.request = request
        self.version = 0
        """Counts how often the rights have moved; what was found out under another number is void."""
        self._writer = Writer(send, now=process.now, done=self._written, lost=self._lost)
        self._task = task
        self._connection_id = connection_id
        self._named_heartbeat = named_heartbeat
        self._org = process.hub.org(request.org)
        self._filter = Filter(types=frozenset())
        self._position = Cursor("", 0, "")
        self._shown: Cursor | None = None
        self._target = 0
        self._replayed = 0
        self._caught_up = False
        self._condensation = EVERYTHING_IS_TOLD
        self._ready = False
        self._held = False
        self._awaits_state = False
        self._telling_state = False
        self._prelude: deque[bytes] = deque()
        self._reading: asyncio.Task[None] | None = None
        self._resetting: asyncio.Task[None] | None = None
        self._lagging_since: float | None = None
        self._lives_until = now + process.uniform(conf.streaming.LIFE_MIN, conf.streaming.LIFE_MAX)
        self._expires_at: datetime | None = None
        self._dies_at = math.inf
        self._heartbeat_at = now + self._heartbeat_pause()
        self._places: list[Place] = []
        self._farewell: bytes | None = None
        self._cut_at = 0.0
        self._begun = False
        self._ending = False
        self._released = False
        self.reason: str | None = None
        self.bucket = 0

    # -- beginning ---------------------------------------------------------------------------------------------------

    def hold(self, places: list[Place]) -> None:
        """Take over places, which are given back as soon as the session begins to end."""
        self._places = places

    def begin(self, opening: Opening, *, resume: str, reconnect: Offer | None = None) -> None:
        """Start where the opening says; the first bytes go out at once, before any replay."""
        cursor = self.request.cursor
        resumed = opening.reset is None and cursor is not None
        start = cursor if resumed and cursor is not None else opening.head.cursor
        known = None if opening.reset else str(start)
        self._take(opening, start)
        hello = sse.control(
            "stream.open",
            {
                "cursor": known,
                "resume": "reset" if opening.reset else resume,
                "snapshot": opening.reset is not None,
                "heartbeat": self._process.heartbeat_seconds,
                "connectionId": self._connection_id,
                "reconnectToken": None if reconnect is None else reconnect.token(known or ""),
            },
            id=known,
            retry=round(self._process.uniform(1000, 5000)),
        )
        self._prelude.append(hello)
        self._ready = self._begun = True
        if opening.reset:
            self._tell_reset(opening.reset)
            self._resetting = asyncio.create_task(self._guarded(self._tell_state()))
        self._process.wheel.schedule(self, self._next_tick())
        self.flush()

    def _take(self, opening: Opening, start: Cursor) -> None:
        self._adopt(opening.standing)
        self._position = start
        self._shown = start
        self._target = opening.head.sequence
        self._replayed = 0
        self._caught_up = False
        self._condensation = opening.condensation
        self.version += 1
        self._held = False
        if self._org.rights_moved(self._user, since=opening.head.sequence):
            self._hold()

    def _tell_reset(self, reason: ResetReason) -> None:
        logger.info("stream reset (%s)", reason.value, extra={"org": self.request.org})
        self._shown = None
        self._awaits_state = True
        self._prelude.append(sse.control("stream.reset", {"reason": reason.value}))

    async def _tell_state(self) -> None:
        """Send the state, read under the rights that hold when it has been read; then go on behind its head."""
        while True:
            chosen = self._filter
            found = await self._process.state(Question(request=self.request, filter=chosen))
            if isinstance(found, Refused):
                self._lose_right(found)
                return
            if found.standing.filter == chosen == self._filter:
                break
            self._adopt(found.standing)
        self._prelude.extend(found.writes)
        self._awaits_state = False
        self._telling_state = bool(self._prelude)
        self.flush()

    # -- the loop ------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what stands next; returns at once."""
        if self._writer.busy or self._ending or self._held or not self._ready:
            return
        body = self._next()
        if body is None:
            if self._reading is None:
                self._lagging_since = None
        elif self._write(body) and self._has_more():
            self._process.loop.call_soon(self.flush)

    def _next(self) -> bytes | None:
        """Compose one write: what was prepared, the end of the replay, or a stretch of the log."""
        if self._prelude:
            return self._next_prepared()
        if self._awaits_state:
            return None
        while not self._at_target():
            stop = self._target if not self._caught_up else _NO_END
            chunk = self._org.chunk(self._filter, self._position.sequence + 1, stop, self._condensation)
            if chunk is None:
                self._miss()
                return None
            self._position = chunk.last
            if chunk.shown is not None:
                self._shown = chunk.shown
            if not self._caught_up:
                self._replayed += chunk.events
            body = chunk.body
            if self._at_target():
                body += self._tell_caught_up()
            if body:
                return body
        return self._tell_caught_up()

    def _next_prepared(self) -> bytes:
        body = self._prelude.popleft()
        if not self._prelude and not self._awaits_state:
            self._telling_state = False
            if self._at_target():
                body += self._tell_caught_up()
        return body

    def _at_target(self) -> bool:
        return not self._caught_up and self._position.sequence >= self._target

    def _tell_caught_up(self) -> bytes:
        self._caught_up = True
        self._condensation = EVERYTHING_IS_TOLD
        self._lagging_since = None
        self._shown = self._position
        data = {"cursor": str(self._position), "replayed": self._replayed}
        return sse.control("stream.caught_up", data, id=str(self._position))

    def _has_more(self) -> bool:
        ring = self._org.ring
        behind = ring is not None and self._position.sequence < ring.head.sequence
        return bool(self._prelude) or behind or self._at_target()

    def _miss(self) -> None:
        """Have the page read that holds what stands next, if it is the page that is missing."""
        ring = self._org.ring
        if ring is None or self._position.sequence + 1 >= ring.start or self._reading is not None:
            return
        self._reading = asyncio.create_task(self._read_page())

    async def _read_page(self) -> None:
        wanted = self._position.sequence + 1
        try:
            found = await self._org.read_page(wanted)
        except Exception as error:
            logger.warning("cannot read a page of the log: %s", error, extra={"org": self.request.org})
            self.close(CloseReason.UNAVAILABLE)
            return
        finally:
            self._reading = None
        if found:
            self.flush()
        else:
            self.log_replaced(ResetReason.TRUNCATED)

    # -- rights --------------------------------------------------------------------------------------------------------

    def rights_moved(self, users: frozenset[str]) -> None:
        """Deliver nothing more until the rights have been looked up anew, if it is this user whose rights moved."""
        if self._begun and not self._ending and (not users or self._user in users):
            self.version += 1
            self._hold()

    def _hold(self) -> None:
        self._held = True
        self._process.rechecks.ask(self)

    def stands(self, standing: Standing | Refused, *, version: int) -> None:
        """Go on with what was found under a version of the rights, or end; nothing where they have moved since."""
        if not self._begun or self._ending or version != self.version:
            return
        if isinstance(standing, Refused):
            self._lose_right(standing)
        elif standing.filter != self._filter and self._telling_state:
            self.close(CloseReason.UNAVAILABLE)  # a state that was read under other rights is half told
        else:
            self._adopt(standing)
            self._process.wheel.schedule(self, self._next_tick())
            self._held = False
            self.flush()

    @property
    def rights_at(self) -> int:
        """The head that was read before the rights."""
        return self._target

    @property
    def _user(self) -> str:
        return str(self.request.user.pk)

    def _adopt(self, standing: Standing) -> None:
        if standing.filter != self._filter:  # equal ones are not kept twice
            self._filter = standing.filter
        self._expires_at = standing.expires_at
        left = math.inf if standing.expires_at is None else (standing.expires_at - datetime.now(UTC)).total_seconds()
        self._dies_at = self._process.now() + left

    def _lose_right(self, refusal: Refused) -> None:
        """End; by the clock that the look-up went by, a credential that is over is not one that was revoked."""
        if refusal.ends is not None:
            self.close(refusal.ends)
            return
        expired = self._expires_at is not None and datetime.now(UTC) >= self._expires_at
        self.close(CloseReason.AUTH_EXPIRED if expired else CloseReason.AUTH_REVOKED)

    # -- writing -------------------------------------------------------------------------------------------------------

    def _write(self, body: bytes, *, last: bool = False) -> bool:
        """Start one write; True if it went through without waiting."""
        if self._writer.write(body, last=last):
            return True
        if self._writer.busy_since is not None:
            if self._caught_up and self._lagging_since is None:
                self._lagging_since = self._writer.busy_since
            self._process.wheel.schedule(self, self._writer.busy_since + conf.streaming.SLOW_WRITE)
        return False

    def _written(self, last: bool) -> None:
        """Go on after a write that had to wait."""
        if last:
            self._end()
        elif self._farewell is not None:
            self._part(self._farewell)
        else:
            self.flush()

    def _lost(self, error: Exception) -> None:
        logger.debug("a write failed: %r", error)
        self.reason = self.reason or "client"
        self._end()

    # -- the clock -----------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> float | None:
        """Do what is due: end a slow, expired or old connection, or send a heartbeat."""
        if self._ending:
            if now < self._cut_at:
                return self._cut_at
            self._writer.abort()  # it has not taken its goodbye
            self._end()
            return None
        if self._is_slow(now):
            self.close(CloseReason.SLOW)
        elif now >= self._dies_at:
            self.close(CloseReason.AUTH_EXPIRED)
        elif now >= self._lives_until:
            self.close(CloseReason.ROTATED)
        elif now >= self._heartbeat_at:
            self._heartbeat_at = now + self._heartbeat_pause()
            if not self._writer.busy and self._ready:
                self._write(self._heartbeat())
        if self._released:
            return None
        return self._cut_at if self._ending else self._next_tick()

    def _is_slow(self, now: float) -> bool:
        stalled, lagging = self._writer.busy_since, self._lagging_since
        if lagging is not None and now - lagging >= conf.streaming.SLOW_LAG:
            return True
        if stalled is None or now - stalled < conf.streaming.SLOW_WRITE:
            return False
        return self._caught_up or not self._writer.moves()  # a replay may take as long as it takes

    def _heartbeat(self) -> bytes:
        moved = self._shown is not None and self._position != self._shown
        cursor = str(self._position) if moved else None
        if moved:
            self._shown = self._position
        if self._named_heartbeat:
            return sse.control("heartbeat", {"now": iso_instant(datetime.now(UTC))}, id=cursor)
        return sse.comment("heartbeat", id=cursor)

    def _heartbeat_pause(self) -> float:
        top = conf.streaming.EVENT_STREAM_HEARTBEAT_INTERVAL_MS / 1000
        return self._process.uniform(0.8 * top, top)

    def _next_tick(self) -> float:
        due = min(self._heartbeat_at, self._lives_until, self._dies_at)
        if self._writer.busy_since is not None:
            due = min(due, self._writer.busy_since + conf.streaming.SLOW_WRITE)
        if self._lagging_since is not None:
            due = min(due, self._lagging_since + conf.streaming.SLOW_LAG)
        return due

    # -- another log ---------------------------------------------------------------------------------------------------

    def log_replaced(self, reason: ResetReason) -> None:
        """Tell the client that its history is void, then the state, then go on behind the new head."""
        if self._ending or not self._ready:
            return  # an opening that is under way is repeated by whoever asked for it
        self._ready = self._awaits_state = self._telling_state = False
        self._prelude.clear()
        if self._resetting is not None:
            self._resetting.cancel()  # the state of a log that is no more
        self._resetting = asyncio.create_task(self._guarded(self._reset(reason)))

    async def _reset(self, reason: ResetReason) -> None:
        opening = await self._process.visit(replace(self.request, cursor=None, reset=reason))
        if isinstance(opening, Refused):
            self._lose_right(opening)
            return
        self._take(opening, opening.head.cursor)
        self._tell_reset(reason)
        self._ready = True
        self.flush()
        await self._tell_state()

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what reads the state; where that fails, the client is to come again."""
        try:
            await work
        except Exception as error:
            logger.warning("cannot read the state after a reset: %s", error, extra={"org": self.request.org})
            self.close(CloseReason.UNAVAILABLE)
        finally:
            if asyncio.current_task() is self._resetting:
                self._resetting = None

    # -- ending --------------------------------------------------------------------------------------------------------

    def close(self, reason: CloseReason, *, retry_ms: int | None = None) -> None:
        """Say goodbye and end, after a write that is under way; whoever does not take it in time is cut off."""
        if self._ending:
            return
        self._ending = True
        self.reason = reason.value
        self._give_back()
        body = farewell(reason, retry_ms or round(self._process.uniform(1000, 5000)))
        if not self._begun:
            self._end()
        elif not self._writer.busy:
            self._part(body)
        elif reason is CloseReason.SLOW:
            self._writer.abort()
            self._end()
        else:
            self._farewell = body
            self._cut_within(self._patience())

    def _part(self, body: bytes) -> None:
        """Write the last block."""
        self._farewell = None
        if self._write(body, last=True):
            self._end()
        else:
            self._cut_within(self._patience())

    def _patience(self) -> float:
        """Return the seconds that the client has for taking its goodbye."""
        return _PATIENCE.get(self.reason or "", conf.streaming.SLOW_WRITE)

    def _cut_within(self, seconds: float) -> None:
        self._cut_at = self._process.now() + seconds
        if not self._released:
            self._process.wheel.schedule(self, self._cut_at)

    def failed(self) -> None:
        self.close(CloseReason.ERROR)

    def gone(self) -> None:
        """Take note that the client has left."""
        self.reason = self.reason or "client"
        self._release()

    def _end(self) -> None:
        self._release()
        self._task.cancel()

    def _release(self) -> None:
        self._ending = self._released = True
        self._give_back()
        self._process.wheel.cancel(self)
        self._org.detach(self)
        self._prelude.clear()
        self._process.sessions.discard(self)
        self._process.rechecks.forget(self)
        current = asyncio.current_task()
        self._writer.cancel()
        for task in (self._reading, self._resetting):
            if task is not None and task is not current:
                task.cancel()

    def _give_back(self) -> None:
        places, self._places = self._places, []
        self._process.limits.give_back(places)


_NO_END = 1 << 62

_PATIENCE = {CloseReason.SHUTDOWN.value: 0.5, CloseReason.AUTH_REVOKED.value: 1.0}
"""Seconds that a client has for its goodbye, and for what stands before it, where there is no time to lose."""


def farewell(reason: CloseReason, retry_ms: int) -> bytes:
    """Encode the last block of a stream."""
    data = {"reason": reason.value, "reconnect": reason.reconnect, "retryMs": retry_ms}
    return sse.control("stream.closing", data, retry=retry_ms)
