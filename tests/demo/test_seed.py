"""What the demo finds when it starts: made once, renewed at each start, never in the way of what users did."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import authenticate
from django.utils import timezone
from pytest_django.fixtures import Settings

from redline.demo import accounts, policies, seed
from redline.demo.catalogue import VENDORS, pages
from redline.demo.errors import DemoError
from redline.monitoring.models import Entitlement, Policy, Vendor, VendorPage
from redline.workspaces.models import Membership, Org, Role, User
from streaming.models import ApiToken

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

FIRST, SECOND = "http://127.0.0.1:41001", "http://127.0.0.1:41002"


def start(sites_url: str = FIRST) -> accounts.Accounts:
    people = accounts.make()
    seed.make(people, sites_url=sites_url)
    return people


def rows() -> list[int]:
    models = (Org, User, Membership, Vendor, VendorPage, Policy, Entitlement)
    return [model._default_manager.count() for model in models]


def test_a_second_start_adds_nothing() -> None:
    start()
    once = rows()
    start(SECOND)
    assert rows() == once
    assert once == [1, 3, 3, len(VENDORS), len(pages()), len(policies.POLICIES), 1]


def test_every_role_can_sign_in_with_the_password_that_is_printed() -> None:
    people = start()
    for name, role in accounts.USERS.items():
        user = authenticate(username=name, password=people.password)
        assert user is not None
        assert Membership.objects.get(org=people.org, user=user).role == role
        assert user.is_superuser is (role is Role.OWNER)


def test_the_password_is_the_same_at_each_start_and_another_for_another_key(settings: Settings) -> None:
    first = start()
    hashed = User.objects.get(username="viewer").password
    assert start().password == first.password
    assert User.objects.get(username="viewer").password == hashed, "a new hash would end the sessions"
    settings.SECRET_KEY = "another-key-that-is-long-enough-for-everybody-who-asks"
    second = start()
    assert second.password != first.password
    assert authenticate(username="viewer", password=second.password) is not None


def test_a_start_ends_the_tokens_of_those_before_and_no_other() -> None:
    people = start()
    _, others = ApiToken.issue(user=people.owner, org=people.org.pk, label="mine")
    first = accounts.new_token(people)
    accounts.end_tokens(people)
    second = accounts.new_token(people)
    now = timezone.now()
    valid = {row.digest: row.is_valid(at=now) for row in ApiToken.objects.filter(org=people.org.pk)}
    assert [valid[ApiToken.digest_of(secret)] for secret in (first, second, others)] == [False, True, True]


def test_a_second_start_moves_the_addresses_to_where_the_sites_are() -> None:
    start(FIRST)
    before = set(VendorPage.objects.values_list("pk", flat=True))
    assert seed.former_port() == 41001
    start(SECOND)
    assert set(VendorPage.objects.values_list("pk", flat=True)) == before, "a page keeps its versions"
    assert not VendorPage.objects.exclude(url__startswith=SECOND).exists()
    assert not Vendor.objects.exclude(homepage_url__startswith=SECOND).exists()
    targets = [route["target"] for policy in Policy.objects.all() for route in policy.routes]
    assert any(target.startswith(SECOND) for target in targets)
    assert not any(target.startswith(FIRST) for target in targets)
    assert seed.former_port() == 41002


def test_every_vendor_is_due_at_once() -> None:
    start()
    Vendor.objects.update(next_run_at=timezone.now() + timedelta(hours=1))
    start()
    assert Vendor.objects.filter(next_run_at__lte=timezone.now()).count() == len(VENDORS)


def test_a_start_leaves_alone_what_users_changed() -> None:
    people = start()
    Vendor.objects.filter(name="Orchard Calendar").update(is_watched=False, name="Orchard")
    Policy.objects.filter(name="Prices").update(severity="P1", is_active=False)
    Policy.objects.create(org=people.org, name="Mine", routes=[{"kind": "email", "target": "me@acme.example"}])
    Entitlement.objects.get().delete()
    Entitlement.objects.create(org=people.org, compliance_pack=False, auditor_portal=True)
    start(SECOND)
    assert Vendor.objects.filter(name="Orchard", is_watched=False).count() == 1
    assert Vendor.objects.count() == len(VENDORS)
    assert Policy.objects.filter(name="Prices", severity="P1", is_active=False).count() == 1
    assert Policy.objects.get(name="Mine").routes == [{"kind": "email", "target": "me@acme.example"}]
    assert Entitlement.objects.get().auditor_portal


def test_pages_carry_on_where_their_readers_left_them() -> None:
    start()
    VendorPage.objects.filter(url=f"{FIRST}/northwind-mail/privacy").update(etag='"7-0123abcd"')
    VendorPage.objects.filter(url=f"{FIRST}/northwind-mail/terms").update(etag='W/"not ours"')
    begun = seed.begun()
    assert begun["/northwind-mail/privacy"] == 7
    assert begun["/northwind-mail/terms"] == 0


def test_an_org_that_was_there_before_is_joined() -> None:
    org = Org.objects.create(slug=accounts.SLUG)
    somebody = User.objects.create_user("somebody", password="a-password-of-their-own")
    Membership.objects.create(org=org, user=somebody, role=Role.ADMIN)
    people = start()
    assert people.org.pk == org.pk
    assert authenticate(username="somebody", password="a-password-of-their-own") is not None


def test_a_user_without_password_is_taken_on() -> None:
    User.objects.create_user("owner")
    assert authenticate(username="owner", password=start().password) is not None


def test_somebody_elses_user_of_the_same_name_is_refused_and_unchanged() -> None:
    User.objects.create_user("member", password="a-password-of-their-own")
    with pytest.raises(DemoError, match="a user 'member' who is not the demo's"):
        start()
    assert authenticate(username="member", password="a-password-of-their-own") is not None


def test_policies_are_such_as_the_product_accepts() -> None:
    start()
    for policy in Policy.objects.all():
        policy.full_clean()
    routes = [route for policy in Policy.objects.all() for route in policy.routes]
    assert {route["kind"] for route in routes} >= {"slack", "jira", "email"}
