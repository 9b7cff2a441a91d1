from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connections
from django.utils import timezone

from redline.monitoring import claims
from redline.monitoring.models import Run, RunStage, Vendor
from redline.workspaces.models import Org
from tests.monitoring.world import events, last_event, make_org, make_run, make_vendor


def due_in(vendor: Vendor) -> float:
    return (Vendor.objects.get(pk=vendor.pk).next_run_at - timezone.now()).total_seconds()


def together(number: int, work: Any) -> list[Any]:
    """Do the work in so many threads at once."""
    barrier, results = threading.Barrier(number), []

    def attempt() -> None:
        barrier.wait()
        try:
            results.append(work())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=attempt) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == number
    return results


@pytest.mark.any_database
def test_two_schedulers_at_once_never_run_one_vendor_twice(org: Org) -> None:
    vendors = [make_vendor(org) for _ in range(30)]
    now = timezone.now()
    claimed = together(4, lambda: claims.claim_due(now, 900, limit=30))
    counts = Counter(run.vendor_id for runs in claimed for run in runs)
    assert counts == {vendor.pk: 1 for vendor in vendors}
    assert Run.objects.count() == 30
    assert len(events(org, "scheduler.tick")) == 30


def test_a_vendor_that_was_run_since_it_was_looked_at_is_not_run_again(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = make_vendor(org)
    (run,) = claims.claim_due(timezone.now(), 900)
    Run.objects.unstreamed().update(status="completed")
    monkeypatch.setattr(claims, "_due", lambda *_: [seen])  # another scheduler, which has looked before
    assert claims.claim_due(timezone.now(), 900) == []
    assert list(Run.objects.all()) == [run]


@pytest.mark.any_database
def test_a_claim_and_a_request_at_once_are_one_run(org: Org) -> None:
    vendor = make_vendor(org)

    def request() -> bool:
        try:
            return bool(claims.claim_now(vendor))
        except claims.AlreadyRunning:
            return False

    def attempt() -> bool:
        mine = threading.get_ident() % 2
        return request() if mine else bool(claims.claim_due(timezone.now(), 900))

    assert sum(together(6, attempt)) == 1
    assert Run.objects.count() == 1


def test_the_database_itself_refuses_a_second_run_of_a_vendor(org: Org) -> None:
    vendor = make_vendor(org)
    make_run(vendor)
    with pytest.raises(IntegrityError):
        make_run(vendor)


def test_a_claim_announces_the_run_and_moves_the_vendor_on(org: Org) -> None:
    vendor, before = make_vendor(org), last_event()
    now = timezone.now()
    (run,) = claims.claim_due(now, 900)
    assert claims.claim_due(now, 900) == []
    assert 895 < due_in(vendor) <= 900
    ((kind, data),) = events(org, after=before)
    assert (kind, data["runId"], data["vendorId"]) == ("scheduler.tick", run.pk, vendor.pk)


@pytest.mark.parametrize(("own", "given", "seconds"), [(None, 60, 60), (30, 60, 30), (600, 60, 600)])
def test_a_vendors_own_cadence_beats_the_schedulers(org: Org, own: int | None, given: int, seconds: int) -> None:
    vendor = make_vendor(org, cadence_seconds=own)
    assert claims.claim_due(timezone.now(), given)
    assert seconds - 5 < due_in(vendor) <= seconds


def test_what_is_not_due_not_watched_running_or_of_another_org_is_not_claimed(org: Org) -> None:
    make_vendor(org, next_run_at=timezone.now() + timedelta(seconds=5))
    make_vendor(org, is_watched=False)
    running = make_vendor(org)
    make_run(running)
    make_vendor(make_org())
    assert claims.claim_due(timezone.now(), 900, org=org.pk) == []
    assert due_in(running) < 0


def test_the_longest_due_comes_first_and_no_more_than_the_limit(org: Org) -> None:
    now = timezone.now()
    vendors = [make_vendor(org, next_run_at=now - timedelta(minutes=n)) for n in range(4)]
    runs = claims.claim_due(now, 900, limit=2)
    assert [run.vendor_id for run in runs] == [vendors[3].pk, vendors[2].pk]


def test_a_run_of_more_than_ten_minutes_is_failed_where_it_stood(org: Org) -> None:
    now = timezone.now()
    stuck = make_run(make_vendor(org), started_at=now - timedelta(minutes=11))
    RunStage.objects.create(run=stuck, stage="fetch", status="completed")
    RunStage.objects.create(run=stuck, stage="diff", started_at=now - timedelta(minutes=11))
    young = make_run(make_vendor(org), started_at=now - timedelta(minutes=9))
    before = last_event()
    assert claims.fail_stale(now) == 1
    assert claims.fail_stale(now) == 0
    stuck.refresh_from_db()
    young.refresh_from_db()
    assert (stuck.status, young.status) == ("failed", "running")
    assert stuck.finished_at is not None
    assert list(stuck.stages.values_list("stage", "status")) == [("fetch", "completed"), ("diff", "failed")]
    assert "10 minutes" in stuck.stages.last().reason
    ((_, data),) = events(org, after=before)
    assert (data["stage"], data["status"], data["durationMs"]) == ("diff", "failed", 660_000)


def test_a_run_that_died_between_stages_fails_in_the_one_it_did_not_reach(org: Org) -> None:
    now = timezone.now()
    first = make_run(make_vendor(org), started_at=now - timedelta(minutes=11))
    second = make_run(make_vendor(org), started_at=now - timedelta(minutes=11))
    RunStage.objects.create(run=second, stage="fetch", status="completed")
    claims.fail_stale(now)
    assert list(first.stages.values_list("stage", "status")) == [("fetch", "failed")]
    assert list(second.stages.values_list("stage", "status"))[-1] == ("diff", "failed")


def test_a_stale_run_does_not_bar_a_request(org: Org) -> None:
    vendor = make_vendor(org)
    stuck, other = (
        make_run(one, started_at=timezone.now() - timedelta(minutes=11)) for one in (vendor, make_vendor(org))
    )
    fresh = claims.claim_now(vendor)
    stuck.refresh_from_db()
    other.refresh_from_db()
    assert (stuck.status, fresh.status, other.status) == ("failed", "running", "running")


def test_a_request_leaves_the_vendors_own_time_alone(org: Org) -> None:
    vendor = make_vendor(org, next_run_at=timezone.now() + timedelta(seconds=50))
    claims.claim_now(vendor)
    assert 45 < due_in(vendor) <= 50


def test_a_faster_cadence_counts_from_the_last_run(org: Org) -> None:
    now = timezone.now()
    ran = make_vendor(org, next_run_at=now + timedelta(minutes=15))
    make_run(ran, started_at=now - timedelta(seconds=20), status="completed")
    own = make_vendor(org, next_run_at=now + timedelta(minutes=15), cadence_seconds=3_600)
    soon = make_vendor(org, next_run_at=now + timedelta(seconds=1))
    claims.adopt_cadence(30)
    assert 5 < due_in(ran) <= 10
    assert due_in(own) > 890
    assert due_in(soon) <= 1
