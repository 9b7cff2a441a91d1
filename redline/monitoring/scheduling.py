"""The scheduler: claims due vendors and has its workers run them, and ends snoozes; as a class, for any process.

    start() ─► loop thread: every second, give or take ─► claims ─► Workers (4 threads) ─► runs
    stop()  ─► no new claims ─► what is under way finishes, or is given up on the record ─► ended, within `grace`

Any number may run beside each other: claims are exclusive. A database that goes away is waited for. `Waker` alone ends
snoozes, in a process that serves but does not schedule.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from redline.monitoring import delivery, services
from redline.monitoring.claims import adopt_cadence, claim_due, fail_stale
from redline.monitoring.workers import THREADS, Workers

logger = logging.getLogger("redline.scheduling")

TICK = 1.0
UPKEEP_EVERY = 15.0
GRACE = 2.0


class Ticker:
    """A daemon thread that calls `tick` about once a second until it is stopped; outlives the database's absence."""

    def __init__(self, tick: Callable[[], None], *, name: str, jitter: Callable[[], float] = random.random) -> None:
        self._tick = tick
        self._jitter = jitter
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = GRACE) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            pause = TICK * (0.75 + self._jitter() / 2)
            try:
                self._tick()
            except (DatabaseError, InterfaceError) as error:
                logger.warning("the database does not answer: %s", error)
                pause *= 5
            except Exception:
                logger.exception("a turn of %s failed", self._thread.name)
            finally:
                connections.close_all()


class Waker(Ticker):
    """Ends snoozes, at most two seconds after their time."""

    def __init__(self) -> None:
        super().__init__(_wake, name="redline-waker")


def _wake() -> None:
    services.wake_snoozed(timezone.now())


class Scheduler:
    """Runs due vendors until stopped. `cadence` in seconds, else the setting; `org` is an id, else all orgs."""

    def __init__(self, *, cadence: float | None = None, org: str | None = None, threads: int = THREADS) -> None:
        self.cadence = cadence or settings.SCHEDULER_CADENCE_SECONDS or TICK
        self.org = org
        self.claimed = 0
        self._workers = Workers(threads)
        self._ticker = Ticker(self._turn, name="redline-scheduler")
        self._upkeep_at = 0.0

    @property
    def busy(self) -> int:
        """How many runs are under way."""
        return self._workers.busy

    def start(self) -> None:
        """Begin, in threads of its own."""
        adopt_cadence(self.cadence, org=self.org)
        self._ticker.start()

    def stop(self, grace: float = GRACE) -> None:
        """End within about `grace` seconds; a run that has not finished by then is marked as failed, and due again."""
        deadline = time.monotonic() + grace
        self._ticker.stop(grace / 2)
        self._workers.stop(max(0.0, deadline - time.monotonic()))

    def run_once(self, stopped: Callable[[], bool] = lambda: False) -> int:
        """Run every vendor that is due now, and return when they are through; returns how many there were."""
        begun = timezone.now()
        adopt_cadence(self.cadence, org=self.org)
        services.wake_snoozed(begun)
        self._look_after()
        while not stopped():
            self._claim(due_by=begun)
            if not self._workers.busy:
                break
            self._workers.wait_for_room(TICK)
        while not stopped() and not self._workers.wait(TICK / 4):
            pass
        return self.claimed

    def _turn(self) -> None:
        services.wake_snoozed(timezone.now())
        if time.monotonic() >= self._upkeep_at:
            self._upkeep_at = time.monotonic() + UPKEEP_EVERY
            self._look_after()
        self._claim()

    def _claim(self, *, due_by: datetime | None = None) -> None:
        free, now = self._workers.free, timezone.now()
        for run in claim_due(now, self.cadence, org=self.org, limit=free, due_by=due_by) if free else ():
            self.claimed += 1
            self._workers.submit(run.pk)

    def _look_after(self) -> None:
        """Take care of what processes that died have left behind."""
        fail_stale(timezone.now(), org=self.org)
        self._workers.deliver(delivery.waiting(timezone.now(), org=self.org))
