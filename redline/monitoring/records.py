"""A run's record: its stages as they begin and end, each step a short transaction that announces itself.

    begin ─► started ─► completed
                    └─► failed, and with it the run

Every write first locks the run and finds it `running`; a run that was given up meanwhile (its scheduler was stopped,
or it took too long) writes nothing more: `Abandoned`. Nothing slow happens while the lock is held.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from redline.monitoring.models import Run, RunStage, RunStatus, Stage, StageStatus
from redline.monitoring.pipeline.errors import FetchError

LONGEST_REASON = 500


class StageFailed(Exception):
    """A stage could not do its work; the reason is a sentence for the run's record."""


class Abandoned(Exception):
    """The run was given up by somebody else, who has recorded its end."""


class Record:
    """Writes the stages of one run. `clock` gives seconds, for durations."""

    def __init__(self, run: Run, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.run = run
        self._clock = clock
        self._begun: dict[int, float] = {}

    @contextmanager
    def stage(self, name: Stage) -> Iterator[RunStage]:
        """Run a stage: completed at the end of the block, failed by an exception out of it."""
        row = self.begin(name)
        try:
            yield row
        except Abandoned:
            raise
        except (StageFailed, FetchError) as error:
            self.fail(row, str(error))
            raise StageFailed(str(error)) from error
        except Exception as error:
            self.fail(row, f"Internal error: {type(error).__name__}.")
            raise
        if row.status == StageStatus.STARTED:
            with transaction.atomic():
                self.lock()
                self.end(row, StageStatus.COMPLETED)

    def begin(self, name: Stage) -> RunStage:
        with transaction.atomic():
            self.lock()
            row = RunStage.objects.create(run=self.run, stage=name)
        self._begun[row.pk] = self._clock()
        return row

    def end(self, row: RunStage, status: StageStatus, reason: str = "") -> None:
        """Record how a stage ended; inside the caller's transaction, which holds the lock."""
        row.status = status
        row.reason = _short(reason)
        row.duration_ms = round((self._clock() - self._begun[row.pk]) * 1000)
        row.save()

    def fail(self, row: RunStage, reason: str) -> None:
        """Record that a stage failed, and the run with it."""
        with transaction.atomic():
            self.lock()
            self.end(row, StageStatus.FAILED, reason)
            self.finish(RunStatus.FAILED)

    def skip(self, *names: Stage, reason: str) -> None:
        """Record stages that had nothing to do; inside the caller's transaction."""
        RunStage.objects.bulk_create(
            [RunStage(run=self.run, stage=name, status=StageStatus.SKIPPED, reason=_short(reason)) for name in names]
        )

    def finish(self, status: RunStatus, *, now: datetime | None = None) -> None:
        """Record the run's end; inside the caller's transaction."""
        self.run.status = status
        self.run.finished_at = now or timezone.now()
        self.run.save(update_fields=["status", "finished_at"])

    def lock(self) -> None:
        """Hold the run's row until the transaction ends; raises `Abandoned` unless the run is still running."""
        if _running(self.run.pk) is None:
            raise Abandoned


def abandon(run_id: str, *, reason: str, now: datetime | None = None) -> bool:
    """Give up a run on somebody else's behalf: its open stage, or the one it did not reach, failed.

    False if it had ended.
    """
    now = now or timezone.now()
    with transaction.atomic():
        run = _running(run_id)
        if run is None:
            return False
        stages = list(run.stages.all())
        row = stages[-1] if stages and stages[-1].status == StageStatus.STARTED else None
        row = row or RunStage(run=run, stage=_next({stage.stage for stage in stages}), started_at=now)
        row.status, row.reason = StageStatus.FAILED, _short(reason)
        row.duration_ms = max(0, round((now - row.started_at).total_seconds() * 1000))
        row.save()
        Record(run).finish(RunStatus.FAILED, now=now)
    return True


def _running(run_id: str) -> Run | None:
    return Run.objects.select_for_update(no_key=True).filter(pk=run_id, status=RunStatus.RUNNING).first()


def _next(done: set[str]) -> Stage:
    return next((stage for stage in Stage if stage not in done), Stage.PUBLISH)


def _short(reason: str) -> str:
    text = " ".join(reason.replace("\0", " ").split())
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"
