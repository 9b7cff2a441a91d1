from __future__ import annotations

from typing import Any

import pytest

from redline.workspaces.models import Membership, Org, User
from redline.workspaces.services import ensure_membership, sandbox_of
from streaming import Rights, access
from streaming.core import wire
from streaming.models import LogEntry

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def org() -> Org:
    return Org.objects.create(slug="acme", name="Acme")


@pytest.fixture
def ann(org: Org) -> User:
    user = User.objects.create(username="ann")
    ensure_membership(org, user)
    return user


def rights(user: User, org: Org) -> Rights | None:
    return access.current().rights(user, org.pk)


def told(org: Org) -> list[Any]:
    rows = LogEntry.objects.filter(org=org.pk, type=wire.RIGHTS).order_by("id")
    return list(rows.values_list("audience", flat=True))


def test_a_sandbox_is_seen_by_whom_its_org_is(org: Org, ann: User) -> None:
    sandbox = sandbox_of(org.pk)
    member = Rights(names=frozenset({ann.pk}))
    assert rights(ann, sandbox) == rights(ann, org) == member
    place = Membership.objects.get(org=org, user=ann)
    place.role = "owner"
    place.save()
    assert rights(ann, sandbox) == rights(ann, org) == Rights(all=True)
    place.delete()
    assert rights(ann, sandbox) is rights(ann, org) is None


def test_a_membership_of_the_sandbox_alone_shows_nothing(org: Org) -> None:
    sandbox = sandbox_of(org.pk)
    bob = User.objects.create(username="bob")
    ensure_membership(sandbox, bob)
    assert rights(bob, sandbox) is None
    assert rights(bob, org) is None


def test_streams_of_the_sandbox_follow_the_org(org: Org, ann: User) -> None:
    sandbox = sandbox_of(org.pk)
    before = len(told(sandbox))
    Membership.objects.get(org=org, user=ann).delete()
    assert told(sandbox)[before:] == [ann.pk]


def test_an_org_that_is_deleted_ends_the_streams_of_its_members(org: Org, ann: User) -> None:
    key = org.pk
    org.delete()
    last = LogEntry.objects.filter(org=key, type=wire.RIGHTS).latest("id")
    assert last.audience == ann.pk
    assert access.current().rights(ann, key) is None
