"""One timer for all sessions of a process: buckets of a tenth of a second.

A session is in at most one bucket that counts; moving it to an earlier one leaves a stale entry behind, which is
skipped when its bucket comes up.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Protocol

logger = logging.getLogger("streaming.wheel")

TICK = 0.1


class Timed(Protocol):
    bucket: int

    def tick(self, now: float) -> float | None:
        """Do what is due; return when to be called next, in the loop's time, None for never."""


class Wheel:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buckets: dict[int, list[Timed]] = {}
        self._turned = 0
        self._handle: asyncio.Handle | None = None
        self._armed_at = 0.0

    def schedule(self, timed: Timed, at: float) -> None:
        """Have `tick` called at about `at`, unless it will be called earlier anyway."""
        bucket = max(math.ceil(at / TICK), self._turned + 1)
        if timed.bucket and timed.bucket <= bucket:
            return
        timed.bucket = bucket
        self._buckets.setdefault(bucket, []).append(timed)
        self._arm(bucket * TICK)

    def cancel(self, timed: Timed) -> None:
        timed.bucket = 0

    def close(self) -> None:
        self._buckets.clear()
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self, at: float) -> None:
        if self._handle is not None:
            if self._armed_at <= at:  # not the handle's when(): uvloop gives one without it for what is due now
                return
            self._handle.cancel()
        self._handle = self._loop.call_at(at, self._turn)
        self._armed_at = at

    def _turn(self) -> None:
        self._handle = None
        now = self._loop.time()
        due = [bucket for bucket in self._buckets if bucket * TICK <= now]
        for bucket in sorted(due):
            self._turned = max(self._turned, bucket)
            for timed in self._buckets.pop(bucket):
                if timed.bucket == bucket:
                    timed.bucket = 0
                    self._tick(timed, now)
        if self._buckets:
            self._arm(min(self._buckets) * TICK)

    def _tick(self, timed: Timed, now: float) -> None:
        try:
            again = timed.tick(now)
            if again is not None:
                self.schedule(timed, again)
        except Exception:
            logger.exception("a session's timer failed")
