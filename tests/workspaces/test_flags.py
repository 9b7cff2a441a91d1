from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from flags.models import FlagState
from pytest_django.fixtures import Settings

from redline.access import Access
from redline.workspaces import flags
from redline.workspaces.models import Org, User
from streaming import Stream

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

FLAG = flags.Name.EVENT_STREAM


@pytest.fixture
def orgs() -> list[Org]:
    return [Org.objects.create(slug=slug) for slug in ("acme", "beta", "gamma")]


def on(orgs: list[Org], name: flags.Name = FLAG) -> str:
    """The slugs of those for whom it is on, and whether it is for a user of no org."""
    asked = [*(org.pk for org in orgs), None]
    names = [*(org.slug for org in orgs), "nobody"]
    return " ".join(slug for slug, is_on in zip(names, flags.are_on(name, asked), strict=True) if is_on)


def test_both_are_off_unless_somebody_switches_them_on(orgs: list[Org]) -> None:
    assert [on(orgs, name) for name in flags.Name] == ["", ""]


@pytest.mark.parametrize(
    ("setting", "rows", "expected"),
    [
        (True, [], "acme beta gamma nobody"),
        (False, [("boolean", "True")], "acme beta gamma nobody"),
        (True, [("boolean", "False")], ""),
        (False, [("org", "acme")], "acme"),
        (False, [("org", "acme"), ("org", "beta")], "acme beta"),
        (True, [("org", "acme")], "acme beta gamma nobody"),
        (True, [("boolean", "False"), ("org", "acme")], "acme"),
        (False, [("except org", "acme")], ""),
        (True, [("boolean", "True"), ("except org", "acme")], "beta gamma nobody"),
        (True, [("except org", "acme")], "beta gamma nobody"),
        (False, [("org", "acme"), ("org", "beta"), ("except org", "acme")], "beta"),
        (False, [("boolean", "False"), ("org", "beta")], "beta"),
        (True, [("org", "no-such")], "acme beta gamma nobody"),
        (True, [("except org", "no-such")], "acme beta gamma nobody"),
        (False, [("path matches", "/"), ("user", "ann")], ""),
    ],
)
def test_the_rows_of_the_database_change_what_the_setting_says(
    orgs: list[Org], settings: Settings, setting: bool, rows: list[tuple[str, str]], expected: str
) -> None:
    settings.FLAGS = {**settings.FLAGS, FLAG: [("boolean", setting)]}
    for condition, value in rows:
        FlagState.objects.create(name=FLAG, condition=condition, value=value)
    assert on(orgs) == expected
    assert on(orgs, flags.Name.SSE_HUB) == "", "the other is another"


def test_an_org_is_named_by_its_id_too(orgs: list[Org]) -> None:
    FlagState.objects.create(name=FLAG, condition="org", value=orgs[1].pk)
    assert on(orgs) == "beta"
    assert flags.is_on(FLAG, orgs[1].pk)


def test_many_feeds_are_asked_about_in_two_queries(orgs: list[Org], django_assert_num_queries: Any) -> None:
    FlagState.objects.create(name=FLAG, condition="org", value="acme")
    FlagState.objects.create(name=FLAG, condition="org", value="beta")
    feed = Stream("feed", path="feed", has_switch=True)
    with django_assert_num_queries(2):
        assert Access().enabled_of_many([(feed, org.pk) for org in orgs]) == [True, True, False]
    assert Access().enabled(feed, orgs[0].pk)


def test_the_commands_of_the_library_switch_it_for_everybody(orgs: list[Org]) -> None:
    call_command("enable_flag", FLAG)
    assert on(orgs) == "acme beta gamma nobody"
    call_command("disable_flag", FLAG)
    assert on(orgs) == ""


# -- in the admin


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    return client


def add(admin: Client, **fields: str) -> Any:
    return admin.post("/admin/flags/flagstate/add/", {"name": FLAG, **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"condition": "org", "value": "acme"}, "acme"),
        ({"condition": "except org", "value": "acme"}, ""),
        ({"condition": "boolean", "value": "True"}, "acme beta gamma nobody"),
    ],
)
def test_the_admin_switches_at_once(admin: Client, orgs: list[Org], fields: dict[str, str], expected: str) -> None:
    assert add(admin, **fields).status_code == 302
    assert on(orgs) == expected
    assert admin.get("/admin/flags/flagstate/").status_code == 200


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"condition": "org", "value": "no-such"}, "There is no org"),
        ({"condition": "boolean", "value": "perhaps"}, "boolean"),
        ({"condition": "path matches", "value": "/"}, "not one of the available choices"),
        ({"condition": "org", "value": "acme", "name": "OTHER"}, "not one of the available choices"),
        ({"condition": "org", "value": ""}, "This field is required"),
    ],
)
def test_what_means_nothing_is_said_on_the_form(
    admin: Client, orgs: list[Org], fields: dict[str, str], word: str
) -> None:
    answer = add(admin, **fields)
    assert answer.status_code == 200
    assert word in answer.content.decode()
    assert not FlagState.objects.exists()
