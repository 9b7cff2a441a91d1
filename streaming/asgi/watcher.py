"""Asks the heads table, every second or faster: one statement, however many connections the process has.

This is the main road, not a fall-back: it finds what no poke announced, serves the embedded default where other
processes cannot poke, carries everything while the layer is away, and notices a log that was replaced.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from streaming import log
from streaming.asgi.bridge import Bridge
from streaming.core.cursor import Head

logger = logging.getLogger("streaming.watcher")

SHARE = 0.05
"""The most of its time that asking may take; the pause is stretched accordingly."""

LONGEST = 5.0
"""But never beyond this."""

RECENT = 4
"""What asking costs is the least of so many answers: a single slow one must not make the process deaf."""


NOBODY = "_"
"""Asked for where no org is served, so that a database that is away is known before somebody connects."""


class Watched(Protocol):
    def reached(self) -> dict[str, int]:
        """Return the sequence that each org's ring has reached."""

    def on_heads(self, reached: Mapping[str, int], heads: Mapping[str, Head]) -> None:
        """Take the heads that were asked for when the rings had reached so far."""


class Watcher:
    def __init__(self, watched: Watched, bridge: Bridge, *, pause: Callable[[], float]) -> None:
        self._watched = watched
        self._bridge = bridge
        self._pause = pause
        self.database_ok = True

    async def run(self) -> None:
        costs: deque[float] = deque([0.0], maxlen=RECENT)
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(self._pause(), min(min(costs) / SHARE, LONGEST)))
            started = loop.time()
            try:
                answered = await self.ask()
                costs.append(loop.time() - started if answered else 0.0)
            except Exception:
                logger.exception("cannot follow the heads")  # one org's trouble; the others are asked for again

    async def ask(self) -> bool:
        """Ask once; False where no answer came."""
        reached = self._watched.reached()
        try:
            heads = await self._bridge.ask(log.heads, list(reached) or [NOBODY])
        except Exception as error:
            # The database is away: open streams stay, and the next question finds out when it is back.
            if self.database_ok:
                logger.warning("cannot ask the heads: %s", error)
            self.database_ok = False
            return False
        if not self.database_ok:
            logger.info("database back")
        self.database_ok = True
        self._watched.on_heads(reached, {org: head for org, head in heads.items() if org in reached})
        return True
