"""One serving process: what it is made of, how it starts and how it drains.

    Sequencer thread ──batches──► hub ──► sessions
    pump (layer) ────pokes──────► hub
    watcher (heads) ────────────► hub

Started by the ASGI lifespan where the server has one, else by the first request: Daphne has none. Drained by SIGTERM,
which is hooked at start-up, because the lifespan's own shutdown comes only after all streams have closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from streaming import authentication, conf, opening, sequencer
from streaming.asgi import drain
from streaming.asgi.bridge import DATABASE_AWAY, Bridge, Coalescer
from streaming.asgi.hub import Hub
from streaming.asgi.limits import Limits
from streaming.asgi.pump import Pump
from streaming.asgi.rechecks import Rechecks
from streaming.asgi.session import Session
from streaming.asgi.watcher import Watcher
from streaming.asgi.wheel import Wheel
from streaming.core.breaker import State
from streaming.core.entry import Batch
from streaming.core.errors import CloseReason, Refused
from streaming.signals import serving_started, serving_stopping

logger = logging.getLogger("streaming.lifespan")

TIDY_EVERY = 5.0

READING_THREADS = 2
"""Threads for what may take long, snapshots and polls: openings, fills and rights do not wait for those."""

STATES_AT_ONCE = 50
"""Snapshots that one visit to the database reads; those who may see the same share one."""

TROUBLE = {
    State.HEALTHY: None,
    State.DEGRADED: "the channel layer does not answer",
    State.RECOVERING: "the channel layer is back and is being caught up with",
}


class Process:
    """Everything that one event loop's streams share."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time
        self.uniform: Callable[[float, float], float] = random.uniform
        self.bridge = Bridge(conf.streaming.BRIDGE_THREADS)
        self.hub = Hub(self.bridge)
        self.wheel = Wheel(self.loop)
        self.limits = Limits(clock=self.now)
        self.reading = Bridge(READING_THREADS)
        self._own_bridge = Bridge(1, keeps=True)
        self.watcher = Watcher(self.hub, self._own_bridge, pause=self._heads_pause)
        self.pump = Pump(self.hub.poked, catch_up=self.watcher.ask)
        self.sessions: set[Session] = set()
        self.rechecks = Rechecks(self.bridge)
        self._by_key: weakref.WeakValueDictionary[tuple[str, str], Session] = weakref.WeakValueDictionary()
        self.draining = False
        interval = conf.streaming.EVENT_STREAM_HEARTBEAT_INTERVAL_MS
        self.heartbeat_seconds = interval // 1000 if interval % 1000 == 0 else interval / 1000
        self._identities = Coalescer(self.bridge, authentication.identify_many)
        self._openings = Coalescer(self.bridge, opening.visit)
        self._states = Coalescer(self.reading, opening.states, at_once=STATES_AT_ONCE, patient=True)
        self._tasks: list[asyncio.Task[None]] = []
        self._sequencer: sequencer.Sequencer | None = None

    @property
    def degraded(self) -> str | None:
        """Why delivery is slower than it should be, or None."""
        if not self.watcher.database_ok:
            return "the database does not answer"
        return TROUBLE[self.pump.state]

    def start(self) -> None:
        self._sequencer = sequencer.start(self._sequenced)
        self.pump.start()
        self._tasks = [
            asyncio.create_task(work)
            for work in (self.watcher.run(), self._tidy(), self.rechecks.run(), self.rechecks.rounds())
        ]
        for task in self._tasks:
            task.add_done_callback(_cry_out)
        serving_started.send_robust(self)

    async def stop(self) -> None:
        self.drain()
        await asyncio.to_thread(serving_stopping.send_robust, self)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.pump.stop()
        self.wheel.close()
        self.hub.close()
        threads: list[Callable[[], None]] = [self._own_bridge.close, self.reading.close, self.bridge.close]
        if self._sequencer is not None:
            threads.append(self._sequencer.stop)
        await asyncio.gather(*(asyncio.to_thread(end) for end in threads))

    def drain(self) -> None:
        """Take no new streams, and send the open ones away, spread over the time in which others can take them."""
        self.draining = True
        for session in list(self.sessions):
            after = conf.streaming.DRAIN_LINGER + self.uniform(0.05, 1.0) * conf.streaming.DRAIN_SPREAD
            session.close(CloseReason.SHUTDOWN, retry_ms=round(1000 * after))
        self.hub.wake()  # long polls answer at once

    def supersede(self, key: tuple[str, str] | None) -> None:
        """End the session that an earlier connection of the same page has, which frees its place."""
        older = self._by_key.get(key) if key is not None else None
        if older is not None:
            older.close(CloseReason.SUPERSEDED)

    def open(self, session: Session, *, key: tuple[str, str] | None) -> None:
        """Count a session in."""
        if key is not None:
            self._by_key[key] = session
        self.sessions.add(session)
        self.rechecks.watch(session)

    async def identify(self, credential: authentication.Credential) -> authentication.Identity | None:
        """Return who a credential stands for, by a look-up shared with all who ask meanwhile."""
        return await self._identities.ask(credential)

    async def visit(self, request: opening.Request) -> opening.Opening | Refused:
        """Open by one visit to the database; repeated where the org's log was replaced meanwhile."""
        while True:
            org = self.hub.orgs.get(request.org)
            incarnation = org.incarnation if org is not None else 0
            opened = await self._openings.ask(request)
            if isinstance(opened, Refused):
                return opened
            if org is not None:
                org.on_head(opened.head, reached=0)  # may find out just now that the log was replaced
            if org is None or org.incarnation == incarnation:
                return replace(opened, incarnation=incarnation)

    async def state(self, question: opening.Question) -> opening.State | Refused:
        """Return a stream's state, by a visit shared with all who ask meanwhile."""
        return await self._states.ask(question)

    def _sequenced(self, batch: Batch) -> None:
        """Take what the sequencer's thread has just committed."""
        with contextlib.suppress(RuntimeError):  # the loop has ended; other processes find the entries by their heads
            self.loop.call_soon_threadsafe(self._spread, batch)

    def _spread(self, batch: Batch) -> None:
        self.hub.offer(batch)
        self.pump.poke(batch.org, batch.head)

    def _heads_pause(self) -> float:
        if self.pump.embedded:
            return conf.streaming.HEADS_EVERY_EMBEDDED
        healthy = self.pump.state is State.HEALTHY
        return conf.streaming.HEADS_EVERY if healthy else conf.streaming.HEADS_EVERY_DEGRADED

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_EVERY)
            for org in self.hub.drop_idle(self.now()):
                self.pump.leave(org)
            try:
                await self.reading.ask(authentication.note_use)
            except DATABASE_AWAY:
                pass  # it is noted with the next
            except Exception:
                logger.exception("cannot note when tokens were used")


def _cry_out(task: asyncio.Task[None]) -> None:
    """Say so if one of the tasks has ended that are to go on for ever."""
    if not task.cancelled():
        logger.critical("%s has ended; restart this process", task.get_coro(), exc_info=task.exception())


_processes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Process] = weakref.WeakKeyDictionary()


def current() -> Process:
    """Return the running loop's process, started on first use."""
    loop = asyncio.get_running_loop()
    process = _processes.get(loop)
    if process is None:
        process = _processes[loop] = Process()
        process.start()
    return process


def drain_all() -> None:
    """Drain whatever streams this process serves; must run in their loop's thread."""
    for process in list(_processes.values()):
        process.drain()


async def stop_all() -> None:
    """Stop the running loop's process, if it was started; whoever comes meanwhile finds it, and is turned away."""
    loop = asyncio.get_running_loop()
    process = _processes.get(loop)
    if process is not None:
        await process.stop()
        _processes.pop(loop, None)


class Lifespan:
    """The ASGI lifespan: starts the process with the server, hooks SIGTERM, stops at the end."""

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                process = current()
                drain.hook(process)
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await stop_all()
                await send({"type": "lifespan.shutdown.complete"})
                return
