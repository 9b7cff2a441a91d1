from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import transaction
from django.db.models import F
from django.test import Client
from django.utils import timezone

from redline.workspaces.models import Membership, Org, Role
from streaming import grants, recheck, revocation
from streaming.core import wire
from streaming.core.errors import SilentWrite
from streaming.core.stream import registry
from streaming.models import ApiToken, LogEntry
from tests.streaming.sync.conftest import House
from tests.streaming.sync.sample import commit, new_org, types

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@contextmanager
def told() -> Iterator[set[tuple[str, str]]]:
    """Collect the (org, users) of the entries that a block adds to the log."""
    last = max((row.pk for row in LogEntry.objects.all()), default=0)
    found: set[tuple[str, str]] = set()
    yield found
    rows = LogEntry.objects.filter(pk__gt=last, type=wire.RIGHTS)
    found.update(rows.values_list("org", "audience"))


def rolled_back(change: Callable[[], None]) -> None:
    with transaction.atomic():
        change()
        transaction.set_rollback(True)


@pytest.fixture
def member(house: House) -> Any:
    return house.users["member"]


@pytest.fixture
def elsewhere() -> Org:
    return Org.objects.create(slug="elsewhere", name="Elsewhere")


def test_an_entry_is_part_of_the_transaction_that_changes_the_rights() -> None:
    org = new_org()
    rolled_back(lambda: recheck(org, ["usr_1"]))
    assert not LogEntry.objects.filter(org=org).exists()
    recheck(org)
    assert LogEntry.objects.get(org=org).type == wire.RIGHTS


def test_a_membership_given_changed_and_taken_is_told_each_time(house: House, elsewhere: Org, member: Any) -> None:
    with told() as given:
        place = Membership.objects.create(org=elsewhere, user=member)
    with told() as untouched:
        place.save()
    place.role = Role.ADMIN
    with told() as changed:
        place.save()
    with told() as taken:
        place.delete()
    assert given == changed == taken == {(elsewhere.pk, member.pk)}
    assert untouched == set()


def test_a_membership_that_moves_concerns_both_sides(house: House, elsewhere: Org, member: Any) -> None:
    place = Membership.objects.get(org=house.org, user=member)
    place.org = elsewhere
    with told() as moved:
        place.save()
    assert moved == {(house.org.pk, member.pk), (elsewhere.pk, member.pk)}
    owner = house.users["owner"]
    place.user = get_user_model().objects.create(username="somebody-new")
    with told() as passed_on:
        place.save()
    assert passed_on == {(elsewhere.pk, " ".join(sorted([member.pk, place.user.pk])))}
    with told() as in_bulk:
        Membership.objects.bulk_create([Membership(org=elsewhere, user=owner)])
    assert in_bulk == {(elsewhere.pk, owner.pk)}


def test_a_query_set_that_would_change_rights_silently_refuses(house: House) -> None:
    with pytest.raises(SilentWrite):
        Membership.objects.filter(org=house.org).update(role=Role.OWNER)
    with told() as deleted:
        Membership.objects.filter(org=house.org).delete()
    assert {org for org, _ in deleted} == {house.org.pk}
    assert len(deleted) == len(house.users)


def test_fixtures_are_loaded_in_silence(house: House, elsewhere: Org, member: Any, tmp_path: Any) -> None:
    place = Membership.objects.create(org=elsewhere, user=member)
    file = tmp_path / "places.json"
    call_command("dumpdata", "workspaces.membership", output=str(file))
    with told() as loaded:
        call_command("loaddata", str(file), verbosity=0)
    assert loaded == set()
    assert Membership.objects.filter(pk=place.pk).exists()


def test_a_token_that_is_revoked_shortened_or_deleted(house: House, member: Any) -> None:
    row, _ = ApiToken.issue(user=member, org=house.org.pk)
    with told() as revoked:
        row.revoke()
    row.expires_at = timezone.now()
    with told() as shortened:
        row.save()
    with told() as deleted:
        row.delete()
    assert revoked == shortened == deleted == {(house.org.pk, member.pk)}


def test_a_token_that_moves_concerns_both_sides(house: House, elsewhere: Org, member: Any) -> None:
    row, _ = ApiToken.issue(user=member, org=house.org.pk)
    row.org = elsewhere.pk
    with told() as moved:
        row.save()
    assert moved == {(house.org.pk, member.pk), (elsewhere.pk, member.pk)}
    row.user = house.users["owner"]
    with told() as passed_on:
        row.save()
    assert passed_on == {(elsewhere.pk, " ".join(sorted([member.pk, row.user.pk])))}


def test_a_token_that_is_made_named_or_used_is_nobodys_business(house: House, member: Any) -> None:
    with told() as quiet:
        row, _ = ApiToken.issue(user=member, org=house.org.pk)
        row.label = "laptop"
        row.save()
        row.last_used_at = timezone.now()
        row.save(update_fields=["last_used_at"])
    assert quiet == set()


def test_a_revocation_that_is_rolled_back_is_not_told(house: House, member: Any) -> None:
    row, _ = ApiToken.issue(user=member, org=house.org.pk)
    with told() as quiet:
        rolled_back(row.revoke)
    assert quiet == set()


@pytest.mark.parametrize("change", ["deactivated", "new password", "deleted"])
def test_a_user_who_may_no_longer_sign_in_is_told_in_all_his_orgs(
    house: House, elsewhere: Org, member: Any, change: str
) -> None:
    ApiToken.issue(user=member, org=elsewhere.pk)
    pk = member.pk
    with told() as found:
        if change == "deactivated":
            member.is_active = False
            member.save()
        elif change == "new password":
            member.set_password("another one entirely")
            member.save(update_fields=["password"])
        else:
            member.delete()
    assert found == {(house.org.pk, pk), (elsewhere.pk, pk)}


def test_other_changes_of_a_user_are_not_told(house: House, member: Any) -> None:
    with told() as quiet:
        member.first_name = "Ada"
        member.save()
        member.last_login = timezone.now()
        member.save(update_fields=["last_login"])
        get_user_model().objects.create(username="new-here")
    assert quiet == set()


def test_who_was_inactive_already_has_no_streams_to_look_at(house: House, member: Any) -> None:
    get_user_model().objects.filter(pk=member.pk).update(is_active=False)
    member.is_active = True
    with told() as quiet:
        member.save()
    assert quiet == set()


def test_signing_out_is_told_after_the_session_is_gone(house: House, member: Any) -> None:
    client = Client()
    client.force_login(member)
    with told() as signed_out:
        client.logout()
    assert signed_out == {(house.org.pk, member.pk)}
    assert not Session.objects.exists()


def test_a_session_of_nobody_or_one_that_had_expired_is_not_told(house: House, member: Any) -> None:
    client = Client()
    client.session.save()
    client.force_login(member)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    with told() as quiet:
        call_command("clearsessions")
    assert quiet == set()


def test_a_replay_copies_no_entry_that_is_about_rights(house: House, elsewhere: Org) -> None:
    commit(house.org.pk, ["one"])
    recheck(house.org.pk)
    commit(house.org.pk, ["two"])
    call_command("replay", house.org.pk, "--to", elsewhere.pk, "--speed", "0")
    assert types(elsewhere.pk) == ["change.detected", "change.detected"]


# -- models of other projects ------------------------------------------------------------------------------------------


@pytest.fixture
def lent(shelf: Any) -> Iterator[Any]:
    """Items, their children and their proxies decide on the rights of the user that their label names."""
    grants(shelf.Item, users=lambda item: item.label.split())
    grants(shelf.Item, users=lambda item: [f"keeper-of-{item.label}"] if item.label else ())
    revocation.connect_grants()
    mine = registry.grants[-2:]
    yield shelf
    registry.grants[:] = [grant for grant in registry.grants if grant not in mine]


@pytest.mark.parametrize("kind", ["Item", "Book", "Leaflet"])
def test_a_proxy_and_a_child_grant_as_their_model_does(lent: Any, kind: str) -> None:
    org = new_org()
    model = getattr(lent, kind)
    with told() as made:
        row = model.objects.create(org_id=org, label="ada")
    row.label = "bob"
    with told() as changed:
        row.save()
    with told() as deleted:
        row.delete()
    assert made == {(org, "ada keeper-of-ada")}
    assert changed == {(org, "ada bob keeper-of-ada keeper-of-bob")}
    assert deleted == {(org, "bob keeper-of-bob")}


def test_a_right_that_is_granted_to_everybody_is_everybodys(lent: Any) -> None:
    org = new_org()
    row = lent.Item.objects.create(org_id=org, label="ada")
    row.label = ""
    with told() as changed:
        row.save()
    assert changed == {(org, "")}


def test_what_counts_is_what_was_saved(lent: Any) -> None:
    org = new_org()
    row = lent.Item.objects.create(org_id=org, label="ada")
    row.label = "unsaved"
    row.turn = F("turn") + 1
    with told() as by_an_expression:
        row.save(update_fields=["turn"])
    assert by_an_expression == {(org, "ada keeper-of-ada")}
    stale = lent.Item.objects.only("turn").get(pk=row.pk)
    with told() as untouched:
        stale.save()
    assert untouched == set()


def test_rows_that_are_inserted_together_are_told_together(lent: Any) -> None:
    org, other = new_org(), new_org()
    rows = [lent.Item(org_id=org, label=name) for name in ("ada", "bob")] + [lent.Item(org_id=other, label="cyd")]
    last = max((row.pk for row in LogEntry.objects.all()), default=0)
    lent.Item.objects.bulk_create(rows)
    found = LogEntry.objects.filter(pk__gt=last, type=wire.RIGHTS).values_list("org", "audience")
    assert sorted(found) == [(org, "ada bob keeper-of-ada keeper-of-bob"), (other, "cyd keeper-of-cyd")]


def test_a_user_who_is_saved_by_another_name(house: House, shelf: Any, member: Any) -> None:
    revocation.follow_users(get_user_model())
    reader = shelf.Reader.objects.get(pk=member.pk)
    reader.is_active = False
    with told() as deactivated:
        reader.save()
    assert deactivated == {(house.org.pk, member.pk)}


def test_a_user_model_without_a_field_for_being_active(house: House, shelf: Any) -> None:
    revocation.follow_users(shelf.Guest)
    guest = shelf.Guest.objects.create(name="ada")
    guest.name = "bob"
    with told() as renamed:
        guest.save()
    assert shelf.Guest.objects.get().name == "bob"
    assert renamed == set()


def test_a_name_that_is_no_word_concerns_everybody_and_a_key_that_is_no_orgs_nobody() -> None:
    org = new_org()
    with told() as found:
        recheck(org, ["ada", "bob and cyd"])
        recheck("no org's key", ["ada"])
        recheck("x" * 41)
    assert found == {(org, "")}
