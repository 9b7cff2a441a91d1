"""Bridge from sync to async: pokes the channel layer from processes that serve no streams.

A poke says "this org's log reached that head" and is a hint: it may be lost, doubled or late, and nothing that it
says is trusted. One lazily started loop thread keeps the layer's connection, because a loop per call would open a new
one each time (2 to 7 ms); when the layer is away, pokes are dropped for a while and the watchers find the events.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer

from streaming import conf, incidents
from streaming.core import wire
from streaming.core.breaker import Breaker
from streaming.incidents import Incident

logger = logging.getLogger("streaming.publisher")

AT_ONCE = 8
"""Pokes under way at the same time: the core layer opens a connection for each."""


class Publisher:
    """A daemon thread with an event loop and a layer connection; `poke` never waits and never raises."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._pid = os.getpid()
        self._under_way: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._breaker = Breaker(spare=conf.streaming.BREAKER_SECONDS)
        self._thread = threading.Thread(target=self._loop.run_forever, name="streaming-publisher", daemon=True)
        self._thread.start()
        atexit.register(self.flush)

    @property
    def usable(self) -> bool:
        """False in a forked child, which has inherited the object but not the thread."""
        return self._pid == os.getpid()

    def poke(self, org: str, head: int) -> None:
        self._loop.call_soon_threadsafe(self._start, org, head)

    def flush(self, timeout: float = 0.5) -> None:
        """Wait until every poke has been sent or given up; called at exit, so that a short command is heard at once."""
        if not self.usable:
            return
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._settle(done)))
        done.wait(timeout)

    def _start(self, org: str, head: int) -> None:
        task = self._loop.create_task(self._send(org, head))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _settle(self, done: threading.Event) -> None:
        await asyncio.gather(*self._under_way)
        done.set()

    async def _send(self, org: str, head: int) -> None:
        async with self._turns:
            if not self._breaker.may_try(time.monotonic()):
                return
            layer: Any = get_channel_layer(conf.streaming.LAYER)
            try:
                async with asyncio.timeout(conf.streaming.LAYER_TIMEOUT):
                    await layer.group_send(wire.group_name(org), poke_message(org, head))
            except Exception as error:
                # Whatever a layer raises: the events are in the log, and every server asks the log by itself.
                incidents.count(Incident.LAYER_FAILURE)
                if self._breaker.failed(time.monotonic()):
                    logger.warning("channel layer away, pokes are dropped: %r", error)
                return
            if self._breaker.answered() and self._breaker.recovered():
                logger.info("channel layer back")


def poke_message(org: str, head: int) -> dict[str, Any]:
    return {"type": wire.POKE, "org": org, "head": head}


_publisher: Publisher | None = None
_lock = threading.Lock()


def poke(org: str, head: int) -> None:
    """Tell the serving processes that an org's log has grown."""
    global _publisher
    if not wire.is_org(org):
        incidents.note(Incident.DAMAGED_ENTRY, "a row of the log names what is no org")
        return
    if isinstance(get_channel_layer(conf.streaming.LAYER), InMemoryChannelLayer | None):
        return  # reaches this process only, and this process serves nobody
    with _lock:
        if _publisher is None or not _publisher.usable:
            _publisher = Publisher()
    _publisher.poke(org, head)
