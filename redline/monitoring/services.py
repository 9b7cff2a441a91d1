"""What can be done about vendors, changes and entitlements: each function one intention, recorded with who acted.

`by` is the acting user's id; left out, it is whoever acts in this context (`usr_system` where nobody does). A step that
is not allowed raises `ValidationError` with the key `state`, and writes and announces nothing. Who may act is decided
before, by whoever calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from redline.monitoring import claims, workers
from redline.monitoring.models import (
    ChangeReport,
    Entitlement,
    Policy,
    Resolution,
    Run,
    State,
    Vendor,
    VendorPage,
    check_transition,
)
from redline.workspaces.acting import SYSTEM, acting, actor_id


def acknowledge(report: ChangeReport, *, by: str | None = None, note: str = "") -> ChangeReport:
    """Say that somebody has seen it; ends a snooze."""
    return _move(report, State.ACKNOWLEDGED, by=by, note=note, snoozed_until=None)


def start(report: ChangeReport, *, by: str | None = None, note: str = "") -> ChangeReport:
    """Say that somebody is at work on it."""
    return _move(report, State.IN_PROGRESS, by=by, note=note)


def snooze(report: ChangeReport, until_at: datetime, *, by: str | None = None, note: str = "") -> ChangeReport:
    """Put it away until an instant in the future, when it becomes new by itself."""
    if until_at <= timezone.now():
        raise ValidationError({"until_at": "Say an instant in the future."})
    return _move(report, State.SNOOZED, by=by, note=note, snoozed_until=until_at)


def resolve(report: ChangeReport, resolution: str, *, by: str | None = None, note: str = "") -> ChangeReport:
    """Close it for good."""
    if resolution not in Resolution.values:
        raise ValidationError({"resolution": f"Choose one of: {', '.join(Resolution.values)}."})
    return _move(report, State.RESOLVED, by=by, note=note, snoozed_until=None, resolution=resolution)


def wake_snoozed(now: datetime) -> int:
    """Make new again what was snoozed until now; returns how many. Nobody acts: `by` is the system."""
    due = ChangeReport.objects.filter(state=State.SNOOZED, snoozed_until__lte=now).order_by("snoozed_until")
    return sum(_wake(pk, now) for pk in due.values_list("pk", flat=True)[:500])


def _wake(pk: str, now: datetime) -> bool:
    with acting(SYSTEM), transaction.atomic():
        snoozed = ChangeReport.objects.filter(state=State.SNOOZED, snoozed_until__lte=now)
        report = snoozed.select_for_update(no_key=True).filter(pk=pk).first()
        if report is None:
            return False
        report.state, report.snoozed_until, report.moment = State.NEW, None, now
        report.save(update_fields=["state", "snoozed_until"])
        return True


def _move(report: ChangeReport, to: State, *, by: str | None, note: str, **changes: Any) -> ChangeReport:
    """Bring the report up to date under its row's lock, then move it."""
    with acting(by or actor_id()), transaction.atomic():
        report.refresh_from_db(from_queryset=ChangeReport.objects.select_for_update(no_key=True))
        if report.state == to:
            raise ValidationError({"state": f"This change is {to} already."})
        check_transition(report.state, to)
        report.state, report.note = to, note
        for name, value in changes.items():
            setattr(report, name, value)
        report.save(update_fields=["state", *changes])
    return report


def set_entitlement(
    org_id: str, *, compliance_pack: bool | None = None, auditor_portal: bool | None = None
) -> Entitlement:
    """Set what the org has bought; a flag that is None stays as it is."""
    asked = {"compliance_pack": compliance_pack, "auditor_portal": auditor_portal}
    flags = {name: flag for name, flag in asked.items() if flag is not None}
    with transaction.atomic():
        rows = Entitlement.objects.select_for_update(no_key=True)
        row, created = rows.get_or_create(org_id=org_id, defaults=flags)
        if not created and any(getattr(row, name) != flag for name, flag in flags.items()):
            for name, flag in flags.items():
                setattr(row, name, flag)
            row.changed_at = timezone.now()
            row.save()
    return row


def add_vendor(org_id: str, *, pages: Sequence[Mapping[str, str]] = (), **fields: Any) -> Vendor:
    """Watch a vendor; `pages` are `{"url", "kind"}`. It is due at once."""
    vendor = Vendor(org_id=org_id, **fields)
    vendor.full_clean(exclude=["org", "owner"])
    with transaction.atomic():
        vendor.save()
        _add_pages(vendor, pages)
    return vendor


def change_vendor(vendor: Vendor, *, pages: Sequence[Mapping[str, str]] | None = None, **fields: Any) -> Vendor:
    """Change a vendor. `pages`, where given, are all of them: a page that stays keeps its versions."""
    with transaction.atomic():
        vendor.refresh_from_db(from_queryset=Vendor.objects.select_for_update(no_key=True))
        for name, value in fields.items():
            setattr(vendor, name, value)
        vendor.full_clean(exclude=["org", "owner"])
        vendor.save(update_fields=list(fields))
        if pages is not None:
            vendor.pages.exclude(url__in=[page["url"] for page in pages]).delete()
            _add_pages(vendor, pages)
        follow_cadence(vendor)
    return vendor


def follow_cadence(vendor: Vendor) -> None:
    """Make the vendor due no later than its own cadence says, counted from now."""
    if vendor.cadence_seconds is not None:
        claims.bring_forward(vendor, timezone.now() + timedelta(seconds=vendor.cadence_seconds))


def _add_pages(vendor: Vendor, pages: Sequence[Mapping[str, str]]) -> None:
    for page in pages:
        VendorPage(vendor_id=vendor.pk, **page).clean_fields(exclude=["vendor"])
        VendorPage.objects.update_or_create(vendor=vendor, url=page["url"], defaults={"kind": page["kind"]})


def add_policy(org_id: str, **fields: Any) -> Policy:
    """Add a policy, which the next run judges by."""
    return change_policy(Policy(org_id=org_id), **fields)


def change_policy(policy: Policy, **fields: Any) -> Policy:
    for name, value in fields.items():
        setattr(policy, name, value)
    policy.full_clean(exclude=["org"])
    policy.save()
    return policy


def request_run(vendor: Vendor) -> Run:
    """Run a vendor now, in a thread of this process; raises `claims.AlreadyRunning`."""
    with transaction.atomic():
        run = claims.claim_now(vendor)
        transaction.on_commit(lambda: workers.of_this_process().submit(run.pk))
    return run
