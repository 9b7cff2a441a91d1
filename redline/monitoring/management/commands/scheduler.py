"""`scheduler`: runs due vendors until it is told to stop; with `--once`, those that are due now.

A vendor's own cadence beats `--cadence`, which beats `SCHEDULER_CADENCE_SECONDS`. SIGINT and SIGTERM end it cleanly
within three seconds: runs under way finish, or are recorded as failed and are due again at once.
"""

from __future__ import annotations

import argparse
import logging
import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.status import Status

from redline.monitoring.models import Run, RunStatus, Vendor
from redline.monitoring.scheduling import Scheduler
from redline.workspaces import selectors
from streaming.management.command import OneLineCommand

logger = logging.getLogger("redline.scheduler")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Command(OneLineCommand):
    help = "Run due vendors through the six stages, until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--cadence", type=seconds, metavar="S", help="seconds between two runs of a vendor")
        parser.add_argument("--once", action="store_true", help="run what is due now, then end")
        parser.add_argument("--org", metavar="ORG", help="only this org's vendors; slug or id")

    def handle(self, *, cadence: float | None, once: bool, org: str | None, **_: object) -> None:
        scheduler = Scheduler(cadence=cadence, org=_org_id(org))
        begun = timezone.now()
        with _until_signal() as stopped, self._progress() as status:
            try:
                if once:
                    scheduler.run_once(stopped.is_set)
                else:
                    scheduler.start()
                    logger.info("looking for due vendors")
                    _watch(scheduler, stopped, status)
            finally:
                scheduler.stop()
        if once:
            self.stdout.write(_summary(scheduler, begun))

    def _progress(self) -> Any:
        """Return a line that is kept up to date on a terminal, and nothing anywhere else."""
        if not self.stdout.isatty():
            return nullcontext()
        return Console().status("Looking for due vendors …")


def seconds(text: str) -> float:
    """Read a positive number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def _org_id(text: str | None) -> str | None:
    if text is None:
        return None
    org = selectors.find_org(text)
    if org is None:
        raise CommandError(f"There is no org {text!r}.")
    return org.pk


@contextmanager
def _until_signal() -> Iterator[threading.Event]:
    """Give an event that SIGINT and SIGTERM set instead of what they would do."""
    stopped = threading.Event()
    former = {number: signal.signal(number, lambda *_: stopped.set()) for number in SIGNALS}
    try:
        yield stopped
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _watch(scheduler: Scheduler, stopped: threading.Event, status: Status | None) -> None:
    # A wait without a timeout is not interrupted by signals on every platform.
    while not stopped.wait(1.0):
        if status is not None:
            status.update(_line(scheduler))


def _line(scheduler: Scheduler) -> str:
    vendors = Vendor.objects.filter(is_watched=True)
    vendors = vendors if scheduler.org is None else vendors.filter(org=scheduler.org)
    soonest = vendors.order_by("next_run_at").first()
    line = f"{scheduler.busy} under way · {scheduler.claimed} claimed · {vendors.count()} vendors watched"
    if soonest is None:
        return line
    wait = max(0, round((soonest.next_run_at - timezone.now()).total_seconds()))
    return f"{line} · next: {soonest.name} in {wait // 60:02}:{wait % 60:02}"


def _summary(scheduler: Scheduler, begun: Any) -> str:
    runs = Run.objects.filter(started_at__gte=begun)
    runs = runs if scheduler.org is None else runs.filter(org=scheduler.org)
    failed = runs.filter(status=RunStatus.FAILED).count()
    return f"{scheduler.claimed} due, {failed} failed" if scheduler.claimed else "nothing is due"
