from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from django.utils import timezone

from redline.monitoring import services
from redline.monitoring.models import TRANSITIONS, ChangeReport, Entitlement, State, Vendor
from redline.workspaces.acting import SYSTEM, acting
from redline.workspaces.models import Org
from tests.monitoring.world import events, last_event, make_org, make_report, make_vendor

ANN = "usr_ann"
SOON = timedelta(hours=1)


def take(report: ChangeReport, to: str) -> ChangeReport:
    match to:
        case State.ACKNOWLEDGED:
            return services.acknowledge(report, by=ANN, note="seen")
        case State.IN_PROGRESS:
            return services.start(report, by=ANN, note="seen")
        case State.SNOOZED:
            return services.snooze(report, timezone.now() + SOON, by=ANN, note="seen")
        case State.RESOLVED:
            return services.resolve(report, "accepted", by=ANN, note="seen")
    raise AssertionError(to)


def in_state(org: Org, state: str) -> ChangeReport:
    until = timezone.now() + SOON if state == State.SNOOZED else None
    return make_report(org, state=state, snoozed_until=until)


STEPS = [State.ACKNOWLEDGED, State.IN_PROGRESS, State.SNOOZED, State.RESOLVED]
ALLOWED = [(was, to) for was in State for to in STEPS if to in TRANSITIONS[was]]
REFUSED = [(was, to) for was in State for to in STEPS if to not in TRANSITIONS[was]]


def test_the_table_of_transitions_is_the_contracts() -> None:
    assert {(str(was), str(to)) for was, to in ALLOWED} == {
        *(("new", to) for to in ("acknowledged", "snoozed", "resolved")),
        *(("acknowledged", to) for to in ("in-progress", "snoozed", "resolved")),
        *(("in-progress", to) for to in ("snoozed", "resolved")),
        *(("snoozed", to) for to in ("acknowledged", "resolved")),
    }


@pytest.mark.parametrize(("was", "to"), ALLOWED)
def test_an_allowed_step_is_recorded_and_announced_exactly_once(org: Org, was: State, to: State) -> None:
    report = in_state(org, was)
    before = last_event()
    take(report, to)
    assert ChangeReport.objects.get(pk=report.pk).state == to
    step = report.transitions.get()
    assert (step.from_state, step.to_state, step.by, step.note) == (was, to, ANN, "seen")
    assert events(org, after=before) == [
        ("change.stateChanged", {"changeReportId": report.pk, "state": str(to), "by": ANN})
    ]


@pytest.mark.parametrize(("was", "to"), REFUSED)
def test_a_refused_step_changes_nothing_and_emits_nothing(org: Org, was: State, to: State) -> None:
    report = in_state(org, was)
    before = last_event()
    with pytest.raises(ValidationError) as refusal:
        take(report, to)
    assert set(refusal.value.error_dict) == {"state"}
    assert report.state == ChangeReport.objects.get(pk=report.pk).state == was
    assert not report.transitions.exists()
    assert events(org, after=before) == []


def test_a_step_is_judged_by_the_row_not_by_the_instance_at_hand(org: Org) -> None:
    report = make_report(org)
    stale = ChangeReport.objects.get(pk=report.pk)
    services.resolve(report, "rejected")
    with pytest.raises(ValidationError):
        services.acknowledge(stale)
    assert ChangeReport.objects.get(pk=report.pk).resolution == "rejected"


def test_of_many_who_acknowledge_at_once_exactly_one_does(org: Org) -> None:
    report = make_report(org)
    barrier, refused = threading.Barrier(6), []

    def act() -> None:
        mine = ChangeReport.objects.get(pk=report.pk)
        barrier.wait()
        try:
            services.acknowledge(mine)
        except ValidationError:
            refused.append(1)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=act) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 5
    assert len(events(org, "change.stateChanged")) == 1


def test_the_acting_user_is_recorded_where_none_is_named(org: Org) -> None:
    with acting("usr_bob"):
        report = services.acknowledge(make_report(org))
    services.start(report)
    assert [step.by for step in report.transitions.all()] == ["usr_bob", SYSTEM]


def test_a_snooze_into_the_past_is_refused(org: Org) -> None:
    report = make_report(org)
    with pytest.raises(ValidationError) as refusal:
        services.snooze(report, timezone.now())
    assert "state" not in refusal.value.error_dict
    assert events(org, "change.stateChanged") == []


def test_an_unknown_resolution_is_refused(org: Org) -> None:
    report = make_report(org)
    with pytest.raises(ValidationError):
        services.resolve(report, "whatever")
    assert ChangeReport.objects.get(pk=report.pk).state == State.NEW


def test_leaving_a_snooze_forgets_until_when(org: Org) -> None:
    report = services.acknowledge(in_state(org, State.SNOOZED))
    assert ChangeReport.objects.get(pk=report.pk).snoozed_until is None


def test_what_was_snoozed_becomes_new_by_the_system_and_only_when_its_time_has_come(org: Org) -> None:
    now = timezone.now()
    due = make_report(org, state=State.SNOOZED, snoozed_until=now)
    waiting = make_report(org, state=State.SNOOZED, snoozed_until=now + timedelta(seconds=1))
    before = last_event()
    with acting(ANN):
        assert services.wake_snoozed(now) == 1
    assert services.wake_snoozed(now) == 0
    assert events(org, after=before) == [
        ("change.stateChanged", {"changeReportId": due.pk, "state": "new", "by": SYSTEM})
    ]
    assert ChangeReport.objects.get(pk=due.pk).snoozed_until is None
    assert ChangeReport.objects.get(pk=waiting.pk).state == State.SNOOZED


def test_a_first_entitlement_is_announced_once_with_the_flags_asked_for(org: Org) -> None:
    services.set_entitlement(org.pk, compliance_pack=True)
    ((kind, data),) = events(org)
    assert kind == "org.entitlements.changed"
    assert data == {"compliancePack": True, "auditorPortal": False, "changedAt": data["changedAt"]}
    assert data["changedAt"].endswith("Z")


def test_entitlements_are_announced_when_a_flag_changes_and_only_then(org: Org) -> None:
    services.set_entitlement(org.pk, compliance_pack=True)
    changed_at = Entitlement.objects.get(org=org).changed_at
    before = last_event()
    services.set_entitlement(org.pk, compliance_pack=True, auditor_portal=False)
    services.set_entitlement(org.pk)
    assert events(org, after=before) == []
    assert Entitlement.objects.get(org=org).changed_at == changed_at
    services.set_entitlement(org.pk, compliance_pack=False, auditor_portal=True)
    ((_, data),) = events(org, after=before)
    assert (data["compliancePack"], data["auditorPortal"]) == (False, True)
    assert Entitlement.objects.get(org=org).changed_at > changed_at


def test_a_new_vendor_is_due_at_once(org: Org) -> None:
    vendor = services.add_vendor(
        org.pk, name="V", homepage_url="https://v.example", pages=[{"url": "https://v.example/t", "kind": "terms"}]
    )
    assert vendor.next_run_at <= timezone.now()
    assert vendor.pages.get().kind == "terms"


def test_a_vendor_with_a_bad_page_is_not_added_at_all(org: Org) -> None:
    with pytest.raises(ValidationError):
        services.add_vendor(
            org.pk, name="V", homepage_url="https://v.example", pages=[{"url": "ftp://v.example", "kind": "terms"}]
        )
    assert not Vendor.objects.exists()


def test_a_page_that_stays_keeps_its_row_and_one_that_is_left_out_goes(org: Org) -> None:
    vendor = make_vendor(org, pages={"https://v.example/a": "terms", "https://v.example/b": "sla"})
    kept = vendor.pages.get(kind="terms").pk
    wanted = [{"url": "https://v.example/a", "kind": "privacy"}, {"url": "https://v.example/c", "kind": "sla"}]
    services.change_vendor(vendor, pages=wanted)
    assert [(page.url[-1], page.kind) for page in vendor.pages.all()] == [("a", "privacy"), ("c", "sla")]
    assert vendor.pages.first().pk == kept


def test_a_shorter_cadence_brings_the_next_run_forward(org: Org) -> None:
    vendor = make_vendor(org, next_run_at=timezone.now() + timedelta(days=1))
    services.change_vendor(vendor, cadence_seconds=30)
    left = Vendor.objects.get(pk=vendor.pk).next_run_at - timezone.now()
    assert timedelta(0) < left <= timedelta(seconds=30)


def test_orgs_do_not_hear_of_each_other(org: Org) -> None:
    other = make_org()
    services.acknowledge(make_report(org))
    assert events(other) == []
