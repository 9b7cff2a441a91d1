"""The actor at work, through the services, on the database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from redline.demo import accounts, housekeeping
from redline.demo.actor import ENTITLEMENT_EVERY, HEAD_START, TIDY_EVERY, Actor
from redline.monitoring import services
from redline.monitoring.models import ChangeReport, ChangeTransition, Entitlement, Severity, State, Vendor
from redline.workspaces.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def people() -> accounts.Accounts:
    people = accounts.make()
    Entitlement.objects.create(org=people.org)
    return people


@pytest.fixture
def member(people: accounts.Accounts) -> User:
    return people.users["member"]


@pytest.fixture
def actor(people: accounts.Accounts, member: User) -> Actor:
    return Actor(org_id=people.org.pk, user_id=member.pk)


@pytest.fixture
def vendor(people: accounts.Accounts) -> Vendor:
    return Vendor.objects.create(org=people.org, name="A vendor", homepage_url="http://vendor.example/")


def report(vendor: Vendor, severity: Severity = Severity.P1, *, age: timedelta = HEAD_START) -> ChangeReport:
    return ChangeReport.objects.create(
        org=vendor.org, vendor=vendor, severity=severity, headline="Retention shrinks", detected_at=timezone.now() - age
    )


def steps(actor: Actor, count: int) -> None:
    for _ in range(count):
        actor.step()


def path(change: ChangeReport) -> list[str]:
    return list(change.transitions.order_by("pk").values_list("to_state", flat=True))


def test_a_change_is_seen_through_to_its_end_by_the_member(actor: Actor, vendor: Vendor, member: User) -> None:
    change = report(vendor)
    steps(actor, 5)
    assert path(change) == ["acknowledged", "in-progress", "resolved"]
    assert set(ChangeTransition.objects.values_list("by", flat=True)) == {member.pk}


def test_wording_is_resolved_at_once(actor: Actor, vendor: Vendor) -> None:
    change = report(vendor, Severity.P3)
    steps(actor, 1)
    change.refresh_from_db()
    assert (change.state, change.resolution) == (State.RESOLVED, "no-action")


def test_now_and_then_a_change_is_snoozed_and_taken_up_again(actor: Actor, vendor: Vendor) -> None:
    steps(actor, 4)
    change = report(vendor)
    steps(actor, 1)
    change.refresh_from_db()
    assert change.state == State.SNOOZED
    steps(actor, 3)
    assert path(change) == ["snoozed"], "it is left in peace while it sleeps"
    assert services.wake_snoozed(timezone.now() + timedelta(minutes=1)) == 1
    steps(actor, 4)
    assert path(change)[:4] == ["snoozed", "new", "acknowledged", "in-progress"]


def test_people_have_time_to_be_first(actor: Actor, vendor: Vendor) -> None:
    change = report(vendor, age=HEAD_START - timedelta(seconds=5))
    steps(actor, 3)
    assert path(change) == []


def test_what_somebody_else_has_moved_is_theirs_for_good(
    actor: Actor, vendor: Vendor, people: accounts.Accounts
) -> None:
    change = report(vendor)
    services.acknowledge(change, by=people.owner.pk)
    steps(actor, 10)
    assert path(change) == ["acknowledged"]


def test_the_change_that_waited_longest_comes_first(actor: Actor, vendor: Vendor) -> None:
    newer, older = report(vendor), report(vendor, age=timedelta(minutes=5))
    steps(actor, 1)
    assert (path(older), path(newer)) == (["acknowledged"], [])
    steps(actor, 1)
    assert path(newer) == ["acknowledged"], "what was just moved has waited least"


def test_entitlements_change_whether_or_not_there_is_work(actor: Actor) -> None:
    flags = []
    for _ in range(4):
        steps(actor, ENTITLEMENT_EVERY)
        flags.append(Entitlement.objects.get().auditor_portal)
    assert flags == [True, False, True, False]


def test_a_turn_without_work_is_no_error(actor: Actor) -> None:
    steps(actor, 2 * TIDY_EVERY)


def test_a_database_that_is_away_costs_a_turn_and_not_the_actor(
    actor: Actor, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    change = report(vendor)
    with monkeypatch.context() as broken:
        broken.setattr(services, "acknowledge", _away)
        broken.setattr("redline.demo.actor.connections.close_all", lambda: None)
        actor.turn()
    assert "will try again: gone" in caplog.text
    actor.turn()
    assert path(change) == ["acknowledged"]


def _away(*_: object, **__: object) -> None:
    raise DatabaseError("gone")


def test_the_actor_tidies_up_now_and_then(actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    tidied: list[str] = []
    monkeypatch.setattr(housekeeping, "tidy", lambda org_id, *, now: tidied.append(org_id))
    steps(actor, 2 * TIDY_EVERY)
    assert len(tidied) == 2
