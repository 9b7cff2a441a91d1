"""What monitoring tells the world: the org feed `GET /v1/stream`, six events, all made by models' signals.

An event says that a row changed, not that it was saved; deletes are not announced. After a reset a client gets the
current state as the same events: entitlements, unresolved changes with their latest actions, running runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from redline.monitoring import selectors
from redline.monitoring.models import Action, ChangeReport, ChangeTransition, Entitlement, Run, RunStage
from streaming import Event, Instant, Rights, Stream


class SchedulerTick(Event, type="scheduler.tick"):
    vendor_id: str
    run_id: str
    started_at: Instant


class RunStaged(Event, type="run.stage"):
    run_id: str
    vendor_id: str
    stage: Literal["fetch", "diff", "reason", "classify", "route", "publish"]
    status: Literal["started", "completed", "failed", "skipped"]
    duration_ms: int | None = None


class ChangeDetected(Event, type="change.detected"):
    change_report_id: str
    vendor_id: str
    severity: Literal["P1", "P2", "P3"]
    headline: str


class ActionDelivered(Event, type="action.delivered"):
    action_id: str
    change_report_id: str
    kind: Literal["slack", "jira", "email", "calendar", "payment"]
    status: Literal["queued", "delivered", "failed"]
    external_id: str | None = None


class ChangeStateChanged(Event, type="change.stateChanged"):
    change_report_id: str
    state: Literal["new", "acknowledged", "in-progress", "resolved", "snoozed"]
    by: str


class EntitlementsChanged(Event, type="org.entitlements.changed"):
    compliance_pack: bool
    auditor_portal: bool
    changed_at: Instant


def latest_state(org: str, rights: Rights) -> Iterator[Event]:
    """Yield the org's current state, in an order in which a page can apply it."""
    for entitlement in selectors.entitlements(org):
        yield entitlements_changed(entitlement)
    for report in selectors.unresolved_changes(org):
        yield change_detected(report)
        yield ChangeStateChanged(change_report_id=report.pk, state=report.state, by=selectors.last_actor(report))
        for action in report.actions.all():
            yield action_delivered(action)
    for run in selectors.running_runs(org):
        yield scheduler_tick(run)
        for stage in list(run.stages.all())[-1:]:
            yield run_staged(stage)


org_feed = Stream(
    "monitoring",
    path="v1/stream",
    events_path="v1/events",
    snapshot=latest_state,
    summary="Everything that happens to the org's vendors: runs, changes, actions, entitlements.",
)


@org_feed.on_save(Run, created=True)
def scheduler_tick(run: Run) -> SchedulerTick:
    return SchedulerTick(vendor_id=run.vendor_id, run_id=run.pk, started_at=run.started_at)


@org_feed.on_save(RunStage, on_change=["status"])
def run_staged(stage: RunStage) -> RunStaged:
    return RunStaged(
        run_id=stage.run_id,
        vendor_id=stage.run.vendor_id,
        stage=stage.stage,
        status=stage.status,
        duration_ms=stage.duration_ms,
    )


@org_feed.on_save(ChangeReport, created=True)
def change_detected(report: ChangeReport) -> ChangeDetected:
    return ChangeDetected(
        change_report_id=report.pk, vendor_id=report.vendor_id, severity=report.severity, headline=report.headline
    )


@org_feed.on_save(Action, on_change=["status"])
def action_delivered(action: Action) -> ActionDelivered:
    return ActionDelivered(
        action_id=action.pk,
        change_report_id=action.report_id,
        kind=action.kind,
        status=action.status,
        external_id=action.external_id or None,
    )


@org_feed.on_save(ChangeTransition, created=True)
def change_state_changed(step: ChangeTransition) -> ChangeStateChanged:
    return ChangeStateChanged(change_report_id=step.report_id, state=step.to_state, by=step.by)


@org_feed.on_save(Entitlement, on_change=["compliance_pack", "auditor_portal"])
def entitlements_changed(entitlement: Entitlement) -> EntitlementsChanged:
    return EntitlementsChanged(
        compliance_pack=entitlement.compliance_pack,
        auditor_portal=entitlement.auditor_portal,
        changed_at=entitlement.changed_at,
    )
