"""Reads over vendors, runs, changes and actions."""

from __future__ import annotations

from django.db.models import Prefetch, QuerySet

from redline.monitoring.models import Action, ChangeReport, Entitlement, Run, RunStage, RunStatus, State
from redline.workspaces.acting import SYSTEM


def entitlements(org: str) -> QuerySet[Entitlement]:
    return Entitlement.objects.filter(org=org)


def unresolved_changes(org: str) -> QuerySet[ChangeReport]:
    """Return what still asks for somebody, the oldest first, with actions and transitions."""
    return (
        ChangeReport.objects.filter(org=org)
        .exclude(state=State.RESOLVED)
        .order_by("detected_at", "pk")
        .prefetch_related(Prefetch("actions", Action.objects.order_by("created_at", "pk")), "transitions")
    )


def last_actor(report: ChangeReport) -> str:
    """Return who moved the report last; `transitions` should be prefetched."""
    steps = list(report.transitions.all())
    return steps[-1].by if steps else SYSTEM


def running_runs(org: str) -> QuerySet[Run]:
    return (
        Run.objects.filter(org=org, status=RunStatus.RUNNING)
        .order_by("started_at", "pk")
        .prefetch_related(Prefetch("stages", RunStage.objects.select_related("run").order_by("pk")))
    )
