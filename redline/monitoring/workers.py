"""A few threads that execute claimed runs, for the scheduler and, started by the first `POST /v1/runs`, in a server.

Daemon threads, so that a fetch that hangs cannot keep a process from ending: `stop` waits as long as it is told, then
gives up what is still under way, on the record. A thread holds no database connection between runs.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from django.db import DatabaseError, connections
from django.utils import timezone

from redline.monitoring import claims, delivery, records, runner
from redline.monitoring.models import Action, Run

logger = logging.getLogger("redline.workers")

THREADS = 4
STOPPED = "The process that ran it was stopped."


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something to do, and what to do instead where it could not be finished. The key tells jobs apart."""

    key: str
    do: Callable[[], None]
    give_up: Callable[[], None]


class Workers:
    """`submit` a run, or actions to `deliver`; the next free thread does it. Nothing is under way twice."""

    def __init__(self, threads: int = THREADS, *, name: str = "redline-worker") -> None:
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._jobs: dict[str, Job] = {}
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def busy(self) -> int:
        """How many jobs are under way or waiting for a thread."""
        return len(self._jobs)

    @property
    def free(self) -> int:
        return max(0, len(self._threads) - self.busy)

    def submit(self, run_id: str) -> None:
        """Execute a run that was claimed."""
        self._take(Job(key=run_id, do=lambda: self._run(run_id), give_up=lambda: _give_up(run_id)))

    def deliver(self, actions: Iterable[Action]) -> None:
        """Deliver actions that were left queued; unfinished, they are simply left again."""
        for action in actions:
            self._take(Job(key=action.pk, do=partial(self._deliver, action), give_up=lambda: None))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is under way; False if it still is after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._jobs, timeout)

    def wait_for_room(self, timeout: float) -> bool:
        """Wait until a thread is free."""
        with self._changed:
            return self._changed.wait_for(lambda: self.free > 0, timeout)

    def stop(self, timeout: float) -> None:
        """Let what is under way finish within `timeout` seconds, and give up the rest."""
        with self._changed:
            self._stopping.set()
        for _ in self._threads:
            self._waiting.put(None)
        self.wait(timeout)
        with self._changed:
            left = list(self._jobs.values())
        for job in left:
            job.give_up()

    def _take(self, job: Job) -> None:
        with self._changed:
            if job.key in self._jobs:
                return
            stopping = self._stopping.is_set()
            if not stopping:
                self._jobs[job.key] = job
                self._waiting.put(job)
        if stopping:
            job.give_up()  # nobody would take it any more

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            if self._stopping.is_set():
                continue  # never begun: `stop` finds it among the jobs and gives it up
            try:
                job.do()
            except Exception:
                # Only the database can fail here. A run stays `running` and goes stale, an action stays queued.
                logger.exception("%s could not be done", job.key)
            finally:
                connections.close_all()
                self._done(job)

    def _done(self, job: Job) -> None:
        with self._changed:
            self._jobs.pop(job.key, None)
            self._changed.notify_all()

    def _run(self, run_id: str) -> None:
        run = Run.objects.select_related("vendor").filter(pk=run_id).first()
        if run is not None:
            runner.run_vendor(run, pause=self._pause)

    def _deliver(self, action: Action) -> None:
        delivery.deliver_actions([action], pause=self._pause)

    def _pause(self, seconds: float) -> None:
        """Wait between attempts to deliver; cut short when the process is to end."""
        self._stopping.wait(seconds)


def _give_up(run_id: str) -> None:
    with contextlib.suppress(DatabaseError, Run.DoesNotExist):
        if records.abandon(run_id, reason=STOPPED):
            vendor = Run.objects.select_related("vendor").get(pk=run_id).vendor
            claims.bring_forward(vendor, timezone.now())


_lock = threading.Lock()
_workers: Workers | None = None


def of_this_process() -> Workers:
    """Return the threads that run what was asked for over REST, started by the first who asks."""
    global _workers
    with _lock:
        if _workers is None:
            _workers = Workers(name="redline-run")
        return _workers


def stop_this_process(grace: float = 2.0) -> None:
    """Stop those threads, if there ever were any; a later run starts new ones."""
    global _workers
    with _lock:
        workers, _workers = _workers, None
    if workers is not None:
        workers.stop(grace)
