"""The end of a serving process: what a signal does, and in which order.

    SIGTERM ─► readiness off, newcomers 503, goodbyes ─► linger ─► the server's own handler: stops listening and ends

A server by itself would wait for its streams, which do not end by themselves, and the lifespan's shutdown comes only
after they have; hence the signal is hooked at start-up, and what the server had installed is called afterwards. Nothing
depends on the goodbye: a process that is killed says none, and its clients resume all the same. While it lingers, load
balancers see `/readyz` fail before they meet a closed port. A second SIGTERM ends that; Ctrl-C does not linger.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Any, Protocol

from streaming import conf


class Drained(Protocol):
    """A serving process."""

    loop: asyncio.AbstractEventLoop

    def drain(self) -> None:
        """Take no new streams, and say goodbye on the open ones."""


def hook(process: Drained) -> None:
    """Drain on SIGTERM and SIGINT, then do what the server would have done."""
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            signal.signal(number, Hook(process, signal.getsignal(number)))
        except ValueError:
            return  # not in the main thread: whoever runs this loop has its own way to end it


class Hook:
    """A signal's handler, with the one that it stands before."""

    def __init__(self, process: Drained, previous: Any) -> None:
        self._process = process
        self._previous = previous
        self._lingers = True

    def __call__(self, number: int, frame: Any) -> None:
        pause = conf.streaming.DRAIN_LINGER if number == signal.SIGTERM and self._lingers else 0.0
        self._lingers = False
        loop = self._process.loop
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._process.drain)
            if pause:
                loop.call_soon_threadsafe(loop.call_later, pause, self._pass_on, number)
                return
        self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        if callable(self._previous):
            self._previous(number, None)
        elif self._previous == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
