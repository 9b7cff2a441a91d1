"""The right of open streams to go on: looked up when the log says that it changed, and for each of them every 5 s.

The entry in the log is quick and exact; the rota is what finds everything that no entry told: a row that was changed
by hand, a session that a cache dropped, an access class that changed its mind. Neither depends on the layer.

The rota goes round evenly, a few streams at a time and whoever was looked at longest ago first: all at once would hold
up everything else in the process for as long as it takes (`tests/bench/rechecks.py`).
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from streaming import conf, opening
from streaming.asgi.bridge import DATABASE_AWAY, Bridge
from streaming.core.errors import Refused
from streaming.opening import Request, Standing

logger = logging.getLogger("streaming.rechecks")

AT_ONCE = 100
TURNS = 10
"""The fewest parts into which a round is divided."""
SHARE = 0.05
"""The most of its time that the rota may take; a round is stretched accordingly."""
LONGEST = 8.0
"""But never beyond so many seconds, because none may go unseen for 10."""
AGAIN = 0.5
"""Seconds after which a look-up is repeated that the database did not answer; whoever waits for it is held."""


class Checked(Protocol):
    """An open stream: its right is what it was found to be when asked for under this `version`."""

    version: int
    request: Request

    def stands(self, standing: Standing | Refused, *, version: int) -> None: ...

    def failed(self) -> None: ...


class Rechecks:
    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._rota: dict[Checked, None] = {}
        self._waiting: dict[Checked, None] = {}
        self._asked = asyncio.Event()
        self._away = False

    def watch(self, stream: Checked) -> None:
        """Look at a stream from now on."""
        self._rota[stream] = None

    def forget(self, stream: Checked) -> None:
        self._rota.pop(stream, None)
        self._waiting.pop(stream, None)

    def ask(self, stream: Checked) -> None:
        """Have one stream looked at by the next look-up that begins."""
        self._waiting[stream] = None
        self._asked.set()

    async def run(self) -> None:
        """Serve who asks, for ever; several that ask together are served together."""
        while True:
            await self._asked.wait()
            batch = list(islice(self._waiting, AT_ONCE))
            for stream in batch:
                del self._waiting[stream]
            if not self._waiting:
                self._asked.clear()
            if not await self._look(batch):
                for stream in batch:
                    if stream in self._rota:
                        self.ask(stream)
                await asyncio.sleep(AGAIN)

    async def rounds(self) -> None:
        """Look at every open stream every 5 s, for ever."""
        loop = asyncio.get_running_loop()
        cost = 0.0
        while True:
            turns = max(TURNS, math.ceil(len(self._rota) / AT_ONCE))
            period = max(conf.streaming.RECHECK_EVERY / turns, min(cost / SHARE, LONGEST / turns))
            await asyncio.sleep(period - cost)
            batch = list(islice(self._rota, math.ceil(len(self._rota) / turns)))
            started = loop.time()
            answered = await self._look(batch)
            cost = loop.time() - started
            if answered:
                for stream in batch:
                    self._put_last(stream)
            else:
                await asyncio.sleep(AGAIN)

    def _put_last(self, stream: Checked) -> None:
        if stream in self._rota:  # unless it has ended
            del self._rota[stream]
            self._rota[stream] = None

    async def _look(self, streams: Sequence[Checked]) -> bool:
        """Look up and tell each stream; False where the database does not answer."""
        if not streams:
            return True
        versions = [stream.version for stream in streams]
        try:
            standings = await self._bridge.call(opening.prospects, [stream.request for stream in streams])
        except DATABASE_AWAY as error:
            if not self._away:
                logger.warning("cannot look up rights: %s", error)
            self._away = True
            return False
        except Exception:
            if len(streams) == 1:
                logger.exception("a stream's rights cannot be looked up")
                streams[0].failed()
                return True
            # One of them is to blame, and the others are not to suffer.
            return all([await self._look([stream]) for stream in streams])
        self._away = False
        for stream, version, standing in zip(streams, versions, standings, strict=True):
            try:
                stream.stands(standing, version=version)
            except Exception:
                logger.exception("a stream failed")
                stream.failed()
        return True
