"""A demo that runs for days stays small, and loses nothing that is open."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from redline.demo import accounts, housekeeping
from redline.monitoring.models import (
    Action,
    Change,
    ChangeReport,
    ChangeTransition,
    PageVersion,
    Run,
    RunStage,
    RunStatus,
    State,
    Vendor,
    VendorPage,
)

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

NOW = timezone.now()


@pytest.fixture
def vendor() -> Vendor:
    org = accounts.make().org
    return Vendor.objects.create(org=org, name="A vendor", homepage_url="http://vendor.example/")


def run(vendor: Vendor, *, age: timedelta, status: RunStatus = RunStatus.COMPLETED) -> Run:
    made = Run.objects.create(org=vendor.org, vendor=vendor, status=status, started_at=NOW - age)
    RunStage.objects.create(run=made, stage="fetch", status="completed")
    return made


def change(vendor: Vendor, number: int, state: State = State.RESOLVED, **more: Run) -> ChangeReport:
    made = ChangeReport.objects.create(
        org=vendor.org,
        vendor=vendor,
        severity="P2",
        headline=str(number),
        state=state,
        detected_at=NOW - timedelta(hours=3) + timedelta(seconds=number),
        **more,
    )
    Change.objects.create(report=made, category="sla", materiality="minor", summary="x")
    Action.objects.create(org=vendor.org, report=made, kind="email")
    ChangeTransition.objects.create(report=made, from_state="new", to_state=state, by="usr_system")
    return made


def tidy(vendor: Vendor) -> None:
    housekeeping.tidy(vendor.org_id, now=NOW)


def test_old_runs_go_with_their_stages(vendor: Vendor) -> None:
    run(vendor, age=timedelta(minutes=61))
    kept = run(vendor, age=timedelta(minutes=59))
    tidy(vendor)
    assert list(Run.objects.all()) == [kept]
    assert list(RunStage.objects.values_list("run", flat=True)) == [kept.pk]


def test_a_run_stays_while_it_runs_or_has_changes_to_show(vendor: Vendor) -> None:
    running = run(vendor, age=timedelta(hours=2), status=RunStatus.RUNNING)
    shown = run(vendor, age=timedelta(hours=2))
    change(vendor, 1, run=shown)
    tidy(vendor)
    assert set(Run.objects.all()) == {running, shown}


def test_only_the_newest_resolved_changes_stay(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "RESOLVED_KEPT", 2)
    for number in range(5):
        change(vendor, number)
    tidy(vendor)
    assert sorted(ChangeReport.objects.values_list("headline", flat=True)) == ["3", "4"]
    for model in (Change, Action, ChangeTransition):
        assert model._default_manager.count() == 2, model


def test_open_changes_stay_whatever_their_age(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "RESOLVED_KEPT", 0)
    for number, state in enumerate(State):
        change(vendor, number, state)
    tidy(vendor)
    assert set(ChangeReport.objects.values_list("state", flat=True)) == set(State.values) - {"resolved"}


def test_a_page_keeps_its_newest_versions(vendor: Vendor) -> None:
    page = VendorPage.objects.create(vendor=vendor, url="http://vendor.example/terms")
    for number in range(8):
        PageVersion.objects.create(page=page, blocks=[["", str(number)]], fetched_at=NOW)
    tidy(vendor)
    assert [version.blocks[0][1] for version in page.versions.all()] == ["7", "6", "5", "4", "3"]


def test_another_orgs_rows_are_none_of_its_business(vendor: Vendor) -> None:
    run(vendor, age=timedelta(days=2))
    housekeeping.tidy("org_another", now=NOW)
    assert Run.objects.count() == 1
