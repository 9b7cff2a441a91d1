from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from streaming import cookies
from tests.streaming.sync.conftest import House

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


class Choosy(ModelBackend):
    """A backend of a project's own: it knows the member only."""

    def get_user(self, user_id: Any) -> Any:
        user = super().get_user(user_id)
        return user if user is not None and user.username.startswith("member") else None


def sign_in(user: Any, backend: str | None = None) -> str:
    client = Client()
    client.force_login(user, backend=backend)
    return client.cookies[project.SESSION_COOKIE_NAME].value


def test_many_sessions_cost_two_queries(house: House, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    keys = {name: sign_in(user) for name, user in house.users.items()}
    with django_assert_num_queries(2):
        found = cookies.signed_in([*keys.values(), "no-such-session"])
    assert {key: one.user.username for key, one in found.items()} == {
        key: house.users[name].username for name, key in keys.items()
    }
    assert all(one.expires_at > timezone.now() for one in found.values())


def test_reading_a_session_changes_nothing(house: House) -> None:
    user = house.users["member"]
    key = sign_in(user)
    before = list(Session.objects.values_list())
    user.set_password("another one entirely")
    type(user).objects.filter(pk=user.pk).update(password=user.password)
    assert cookies.signed_in([key]) == {}
    assert list(Session.objects.values_list()) == before


@pytest.mark.parametrize("end", ["expired", "inactive", "no user", "backend gone", "no hash"])
def test_what_does_not_count(house: House, settings: Settings, end: str) -> None:
    user = house.users["member"]
    key = sign_in(user)
    row = Session.objects.get(session_key=key)
    if end == "expired":
        Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    elif end == "inactive":
        type(user).objects.filter(pk=user.pk).update(is_active=False)
    elif end == "no user":
        type(user).objects.filter(pk=user.pk).delete()
    elif end == "backend gone":
        settings.AUTHENTICATION_BACKENDS = ["tests.streaming.sync.test_cookies.Choosy"]
    else:
        data = row.get_decoded()
        del data["_auth_user_hash"]
        row.session_data = cookies.store()().encode(data)
        row.save()
    assert cookies.signed_in([key]) == {}


def test_a_secret_that_was_rotated_still_verifies(house: House, settings: Settings) -> None:
    key = sign_in(house.users["member"])
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-of-more-than-fifty-characters-in-all"
    assert list(cookies.signed_in([key])) == [key]


def test_a_backend_of_the_projects_own_decides(house: House, settings: Settings) -> None:
    path = "tests.streaming.sync.test_cookies.Choosy"
    settings.AUTHENTICATION_BACKENDS = [path]
    member, owner = (sign_in(house.users[name], path) for name in ("member", "owner"))
    assert list(cookies.signed_in([member, owner])) == [member]


def test_where_sessions_are_rows_a_cache_before_them_is_not_asked(house: House, settings: Settings) -> None:
    """It is told of a sign-out after the row is gone, and the row's going is what streams follow."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
    keys = [sign_in(user) for user in house.users.values()]
    Session.objects.filter(session_key=keys[0]).delete()
    assert cookies.store()(keys[0]).load()
    assert set(cookies.signed_in(keys)) == set(keys[1:])


@pytest.mark.parametrize("engine", ["cached_db", "cache", "signed_cookies"])
def test_another_session_engine_is_asked_in_its_own_way(house: House, settings: Settings, engine: str) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    key = sign_in(house.users["member"])
    found = cookies.signed_in([key, "nonsense"])
    assert [one.user.username for one in found.values()] == [house.users["member"].username]
