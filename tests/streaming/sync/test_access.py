from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.http import HttpRequest, QueryDict
from pytest_django.fixtures import Settings

from redline.workspaces.models import User
from streaming import access
from streaming.access import Access
from streaming.core.rights import EVERYTHING
from streaming.core.stream import registry

ACTIVE, GONE = SimpleNamespace(is_active=True), SimpleNamespace(is_active=False)


@pytest.fixture
def default(settings: Settings) -> Access:
    settings.STREAMING = {}
    return access.current()


def request(query: str, user: object = ACTIVE) -> HttpRequest:
    made = HttpRequest()
    made.GET = QueryDict(query)
    made.user = user  # type: ignore[assignment]
    return made


def test_a_project_names_its_own_class_and_gets_one_of_it(settings: Settings) -> None:
    assert type(access.current()).__module__ == "redline.access"
    assert access.current() is access.current()
    settings.STREAMING = {}
    assert type(access.current()) is Access


def test_another_setting_does_not_make_a_new_one(default: Access, settings: Settings) -> None:
    settings.LANGUAGE_CODE = "de"
    assert access.current() is default


def test_a_project_without_orgs_has_one_and_every_active_user_is_in_it(default: Access) -> None:
    assert (default.orgs(ACTIVE), default.orgs(GONE)) == ({"main"}, set())
    assert default.rights(ACTIVE, "main") == EVERYTHING
    assert default.rights(ACTIVE, "other") is None
    assert default.rights(GONE, "main") is None
    assert default.rights_of_many([(ACTIVE, "main"), (GONE, "main"), (ACTIVE, "x")]) == [EVERYTHING, None, None]
    assert default.rights_of_many([]) == []


def test_the_org_that_is_asked_for_is_taken_at_its_word_and_decided_on_later(default: Access) -> None:
    assert default.active_org(request("org=foreign")) == "foreign"
    assert default.active_org(request("")) == "main"
    assert default.active_org(request("", GONE)) is None


def test_every_feed_is_on_and_the_one_org_is_found_by_its_name(default: Access) -> None:
    assert default.enabled(registry.streams["monitoring"], "main")
    assert (default.find_org("main"), default.find_org("Main")) == ("main", None)
    assert default.sandbox_of("main") == "main-sandbox"
    assert len(default.sandbox_of("a" * 40)) <= 40


@pytest.mark.django_db
@pytest.mark.any_database
def test_a_user_is_found_by_key_or_name(default: Access) -> None:
    user = User.objects.create(username="somebody")
    assert default.find_user(user.pk) == default.find_user("somebody") == user
    assert default.find_user("nobody") is None
