"""Which vendors are due, and who runs them: a claim is one short transaction that both moves `next_run_at` and creates
the run, so two schedulers at once never run one vendor twice.

The move is conditional on the instant that was read, and at most one run per vendor may be `running`: whoever comes
second finds no row, or the constraint. A vendor's own cadence beats the scheduler's. A run that has been running for
ten minutes belongs to a process that died: it is marked failed by whoever looks next.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from redline.monitoring import records
from redline.monitoring.models import Run, RunStatus, Vendor

LONGEST_RUN = timedelta(minutes=10)


class AlreadyRunning(Exception):
    """This vendor is being run already."""


def claim_due(
    now: datetime, cadence: float, *, org: str | None = None, limit: int = 100, due_by: datetime | None = None
) -> list[Run]:
    """Claim up to `limit` vendors that were due by then (now), the longest due first, and return their new runs.

    `cadence` is in seconds.
    """
    runs = (_claim(vendor, now, cadence) for vendor in _due(due_by or now, org)[:limit])
    return [run for run in runs if run is not None]


def claim_now(vendor: Vendor, *, now: datetime | None = None) -> Run:
    """Create a run of this vendor, whenever it is due; raises `AlreadyRunning`."""
    now = now or timezone.now()
    fail_stale(now, vendors=[vendor.pk])
    try:
        with transaction.atomic():
            return Run.objects.create(org_id=vendor.org_id, vendor=vendor, started_at=now)
    except IntegrityError:
        raise AlreadyRunning from None


def fail_stale(now: datetime, *, vendors: list[str] | None = None, org: str | None = None) -> int:
    """Mark the runs failed that have been running for more than ten minutes; returns how many there were."""
    rows = Run.objects.filter(status=RunStatus.RUNNING, started_at__lt=now - LONGEST_RUN)
    rows = rows if vendors is None else rows.filter(vendor__in=vendors)
    stale = _of(rows, org).values_list("pk", flat=True)
    reason = f"The run did not end within {LONGEST_RUN.seconds // 60} minutes; the process that ran it is gone."
    return sum(records.abandon(run, reason=reason, now=now) for run in stale)


def adopt_cadence(cadence: float, *, org: str | None = None, now: datetime | None = None) -> None:
    """Bring forward what a slower cadence has put off: a vendor is due one cadence after its last run, not later."""
    now = now or timezone.now()
    waiting = Vendor.objects.filter(is_watched=True, cadence_seconds=None, next_run_at__gt=now)
    for vendor in _of(waiting, org).annotate(last=Max("runs__started_at")):
        at = (vendor.last or now) + timedelta(seconds=cadence)
        if at < vendor.next_run_at:
            bring_forward(vendor, at)


def bring_forward(vendor: Vendor, at: datetime) -> None:
    """Make the vendor due at this instant, unless it is due earlier."""
    Vendor.objects.filter(pk=vendor.pk, next_run_at__gt=at).update(next_run_at=at)


def _due(now: datetime, org: str | None) -> QuerySet[Vendor]:
    due = Vendor.objects.filter(is_watched=True, next_run_at__lte=now).exclude(runs__status=RunStatus.RUNNING)
    return _of(due, org).order_by("next_run_at", "pk")


def _claim(vendor: Vendor, now: datetime, cadence: float) -> Run | None:
    next_run_at = now + timedelta(seconds=vendor.cadence_seconds or cadence)
    read = Vendor.objects.filter(pk=vendor.pk, next_run_at=vendor.next_run_at, is_watched=True)
    try:
        with transaction.atomic():
            if not read.update(next_run_at=next_run_at):
                return None
            return Run.objects.create(org_id=vendor.org_id, vendor=vendor, started_at=now)
    except IntegrityError:
        return None  # somebody asked for a run of it in this instant; it stays due


def _of(rows: QuerySet[Vendor] | QuerySet[Run], org: str | None) -> QuerySet:
    return rows if org is None else rows.filter(org=org)
