"""Keeps a demo that runs for days from growing: what is old and done with goes.

Promises: at most the last hour of runs, the last two hundred resolved changes, a few versions of each page and three
hours of the log (some 20,000 entries an hour), so that the database stays at some tens of megabytes. Open changes and
whatever belongs to them stay. Deletes are announced to nobody: a page that shows such a change forgets it when it is
loaded next.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from redline.monitoring.models import ChangeReport, PageVersion, Run, RunStatus, State, VendorPage
from streaming import log

RUNS_KEPT = timedelta(hours=1)
RESOLVED_KEPT = 200
VERSIONS_KEPT = 5
LOG_KEPT = timedelta(hours=3)
LOG_ENTRIES_KEPT = 10_000
AT_ONCE = 300
"""Rows a turn: on SQLite a transaction is the only one, and a long one would hold up the board."""


def tidy(org_id: str, *, now: datetime) -> None:
    """Delete some of what is too old; called often, it keeps up with what comes."""
    _changes(org_id)
    _runs(org_id, now - RUNS_KEPT)
    _versions(org_id)
    log.trim(org_id, before=now - LOG_KEPT, keep=LOG_ENTRIES_KEPT)


def _changes(org_id: str) -> None:
    resolved = ChangeReport.objects.filter(org=org_id, state=State.RESOLVED).order_by("-detected_at", "-pk")
    ids = list(resolved.values_list("pk", flat=True)[RESOLVED_KEPT : RESOLVED_KEPT + AT_ONCE])
    ChangeReport.objects.filter(pk__in=ids).delete()


def _runs(org_id: str, before: datetime) -> None:
    old = Run.objects.filter(org=org_id, started_at__lt=before, changes=None).exclude(status=RunStatus.RUNNING)
    ids = list(old.values_list("pk", flat=True)[:AT_ONCE])
    Run.objects.filter(pk__in=ids).delete()


def _versions(org_id: str) -> None:
    for page in VendorPage.objects.filter(vendor__org=org_id):
        versions = page.versions.order_by("-pk").values_list("pk", flat=True)
        PageVersion.objects.filter(pk__in=list(versions[VERSIONS_KEPT : VERSIONS_KEPT + AT_ONCE])).delete()
