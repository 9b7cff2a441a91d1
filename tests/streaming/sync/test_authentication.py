from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import connection, connections, transaction
from django.http import QueryDict
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from redline.workspaces.models import Org
from streaming import authentication
from streaming.authentication import (
    Credential,
    Kind,
    find,
    identify_many,
    note_use,
    unauthenticated,
)
from streaming.models import ApiToken
from streaming.rest import StreamAuthentication
from tests.streaming.sync.conftest import House

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def presented(query: str = "", **headers: str) -> Credential | None:
    return find({name.replace("_", "-"): value for name, value in headers.items()}, QueryDict(query))


def bearer(secret: str) -> Credential:
    return Credential(kind="bearer", value=secret)


@pytest.fixture
def simple(settings: Settings) -> None:
    settings.STREAMING = {**settings.STREAMING, "SIMPLE_MODE": True}


@pytest.fixture
def cookie(house: House) -> str:
    client = Client()
    client.force_login(house.users["member"])
    return f"{project.SESSION_COOKIE_NAME}={client.cookies[project.SESSION_COOKIE_NAME].value}"


def token(house: House, **values: Any) -> str:
    row, secret = ApiToken.issue(user=house.users["member"], org=house.org.pk)
    ApiToken.objects.filter(pk=row.pk).update(**values)
    return secret


@pytest.mark.usefixtures("simple")
def test_the_first_credential_that_is_present_decides() -> None:
    everything = {"authorization": "Bearer b", "x_user_id": "u", "cookie": f"{project.SESSION_COOKIE_NAME}=s"}
    order = []
    for gone in ([], ["authorization"], ["authorization", "t"], ["authorization", "t", "x_user_id"]):
        headers = {name: value for name, value in everything.items() if name not in gone}
        credential = presented("" if "t" in gone else "token=t", **headers)
        assert credential is not None
        order.append((credential.kind, credential.value))
    assert order == [("bearer", "b"), ("token", "t"), ("simple", "u"), ("session", "s")]


def test_a_bad_credential_is_not_made_good_by_a_later_one(house: House, cookie: str) -> None:
    credential = presented(f"token={token(house)}", authorization="Bearer rl_bad", cookie=cookie)
    assert credential is not None
    assert identify_many([credential]) == [None]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer   "},
        {"authorization": "Basic dTpw"},
        {"authorization": "Token abc"},
        {"authorization": "Bearerabc"},
        {"cookie": ""},
        {"cookie": "other=1"},
        {"x_user_id": "usr_1"},
    ],
)
def test_what_is_blank_or_of_another_scheme_is_absent(headers: dict[str, str]) -> None:
    assert presented("token=&ticket=&token=%20", **headers) is None


@pytest.mark.usefixtures("simple")
def test_a_blank_user_header_is_absent() -> None:
    assert presented(x_user_id="  ") is None


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER   abc  "])
def test_a_bearers_scheme_is_read_in_any_case(header: str) -> None:
    assert presented(authorization=header) == bearer("abc")


def test_a_token_is_its_users_and_its_orgs(house: House) -> None:
    secret = token(house, expires_at=timezone.now() + timedelta(hours=1))
    for credential in (presented(authorization=f"Bearer {secret}"), presented(f"token={secret}&org=foreign")):
        assert credential is not None
        (identity,) = identify_many([credential])
        assert identity is not None
        row = ApiToken.objects.get()
        assert (identity.user_id, identity.org, identity.token_id, identity.expires_at) == (
            house.users["member"].pk,
            house.org.pk,
            row.pk,
            row.expires_at,
        )


@pytest.mark.parametrize(
    "values", [{"expires_at": timezone.now() - timedelta(seconds=1)}, {"revoked_at": timezone.now()}]
)
def test_an_expired_or_revoked_token_is_nobodys(house: House, values: dict[str, Any]) -> None:
    assert identify_many([bearer(token(house, **values))]) == [None]
    assert ApiToken.objects.get().last_used_at is None


def test_an_inactive_users_token_is_nobodys(house: House) -> None:
    secret = token(house)
    get_user_model().objects.update(is_active=False)
    assert identify_many([bearer(secret)]) == [None]


@pytest.mark.parametrize("value", ["rl_nothing", "\0", "\ud800", "a" * 10_000, "'; --"])
def test_a_value_that_nobody_issued_is_nobodys(value: str) -> None:
    assert identify_many([bearer(value)]) == [None]


def test_many_at_once_are_one_look_up_and_keep_their_order(
    house: House, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    secrets = [token(house, last_used_at=timezone.now()) for _ in range(30)]
    asked = [bearer(one) for secret in secrets for one in (secret, "rl_bad")]
    with django_assert_num_queries(1):
        found = identify_many(asked)
    assert [identity is not None for identity in found] == [True, False] * 30
    assert [identity.credential for identity in found if identity] == asked[::2]


def test_each_kind_is_looked_up_for_itself(house: House, cookie: str) -> None:
    session = presented(cookie=cookie)
    assert session is not None
    secret = token(house)
    unknown = Credential(kind="carrier-pigeon", value="x")
    found = identify_many([session, bearer(secret), unknown, bearer("rl_bad"), session])
    assert [identity.credential.kind if identity else None for identity in found] == [
        "session",
        "bearer",
        None,
        None,
        "session",
    ]
    assert identify_many([]) == []


def test_the_last_use_is_noted_at_most_once_a_minute(
    house: House, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    secrets = [token(house) for _ in range(3)]
    one_write = 3 if connection.vendor == "postgresql" else 1  # there it is between BEGIN and COMMIT
    with django_assert_num_queries(1):
        identify_many([bearer(secret) for secret in secrets])
    with django_assert_num_queries(one_write):
        note_use()
    first = set(ApiToken.objects.values_list("last_used_at", flat=True))
    assert len(first) == 1
    assert None not in first
    with django_assert_num_queries(1):
        identify_many([bearer(secret) for secret in secrets])
        note_use()
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))
    with django_assert_num_queries(1 + one_write):
        identify_many([bearer(secrets[0])])
        note_use()
    assert sum(row.last_used_at > timezone.now() - timedelta(seconds=30) for row in ApiToken.objects.all()) == 1


def test_threads_that_note_uses_together_note_each_once() -> None:
    usual, taken = sys.getswitchinterval(), []
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            authentication._stale.update(range(10_000))
            with ThreadPoolExecutor(4) as threads:
                taken += [list(one) for one in threads.map(lambda _: list(authentication._taken()), range(4))]
    finally:
        sys.setswitchinterval(usual)
    assert sum(map(len, taken)) == 20 * 10_000


@pytest.mark.postgres
def test_noting_uses_does_not_wait_for_a_row_that_somebody_has_locked(house: House) -> None:
    secrets = [token(house) for _ in range(2)]
    identify_many([bearer(secret) for secret in secrets])
    locked = ApiToken.objects.earliest("pk")

    def note() -> None:
        try:
            note_use()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread, transaction.atomic():
        ApiToken.objects.select_for_update().get(pk=locked.pk)
        thread.submit(note).result(timeout=10)
    used = dict(ApiToken.objects.values_list("pk", "last_used_at"))
    assert used.pop(locked.pk) is None
    assert None not in used.values()


def test_a_session_is_its_users_until_it_ends(house: House, cookie: str) -> None:
    credential = presented(cookie=cookie)
    assert credential is not None
    assert credential.cookie
    (identity,) = identify_many([credential])
    assert identity is not None
    assert (identity.user_id, identity.org, identity.token_id) == (house.users["member"].pk, house.org.pk, None)
    assert identity.expires_at is not None
    assert identity.expires_at > timezone.now()


def test_a_session_users_org_is_the_one_that_is_asked_for_if_it_is_theirs(house: House, cookie: str) -> None:
    foreign = Org.objects.create(slug="foreign")
    for asked, org in ((house.org.slug, house.org.pk), (house.org.pk, house.org.pk), (foreign.pk, None), ("ä", None)):
        credential = presented(f"org={asked}", cookie=cookie)
        assert credential is not None
        (identity,) = identify_many([credential])
        assert identity is not None
        assert identity.org == org


def change_password(house: House) -> None:
    house.users["member"].set_password("another")
    house.users["member"].save()


def deactivate(house: House) -> None:
    get_user_model().objects.filter(pk=house.users["member"].pk).update(is_active=False)


@pytest.mark.parametrize("end", [change_password, deactivate])
def test_a_dead_session_is_nobodys(house: House, cookie: str, end: Callable[[House], None]) -> None:
    end(house)
    credential = presented(cookie=cookie)
    assert credential is not None
    assert identify_many([credential]) == [None]


def test_a_session_that_is_gone_is_nobodys(cookie: str) -> None:
    Session.objects.all().delete()
    credential = presented(cookie=cookie)
    assert credential is not None
    assert identify_many([credential]) == [None]


@pytest.mark.usefixtures("simple")
def test_simple_mode_takes_the_header_at_its_word(house: House) -> None:
    member = house.users["member"]
    for name in (member.pk, member.username):
        credential = presented(x_user_id=name)
        assert credential is not None
        (identity,) = identify_many([credential])
        assert identity is not None
        assert (identity.user, identity.org) == (member, house.org.pk)
    for name in ("nobody", "usr_nobody"):
        assert identify_many([Credential(kind="simple", value=name)]) == [None]
    deactivate(house)
    assert identify_many([Credential(kind="simple", value=member.pk)]) == [None]


def test_a_user_of_no_org_has_none(cookie: str, house: House) -> None:
    house.org.memberships.all().delete()
    credential = presented(cookie=cookie)
    assert credential is not None
    (identity,) = identify_many([credential])
    assert identity is not None
    assert identity.org is None


def test_the_answer_never_says_what_was_wrong() -> None:
    refusal = unauthenticated()
    assert (refusal.status, refusal.code, refusal.headers) == (401, "unauthenticated", {"WWW-Authenticate": "Bearer"})


def test_a_project_may_choose_its_kinds(settings: Settings) -> None:
    settings.STREAMING = {**settings.STREAMING, "AUTHENTICATION": ["streaming.authentication.QueryToken"]}
    assert list(authentication.kinds()) == ["token", "held"]
    assert presented(authorization="Bearer abc") is None
    settings.LANGUAGE_CODE = "de"
    assert list(authentication.kinds()) == ["token", "held"]


def test_a_kind_says_itself_what_it_is() -> None:
    with pytest.raises(NotImplementedError):
        Kind().find({}, QueryDict())
    with pytest.raises(NotImplementedError):
        Kind().identify([])


def rest(method: str = "get", **headers: str) -> Request:
    make = getattr(APIRequestFactory(enforce_csrf_checks=True), method)
    return Request(make("/v1/vendors", headers={name.replace("_", "-"): value for name, value in headers.items()}))


def test_rest_takes_the_same_credentials(house: House, cookie: str) -> None:
    rest_framework = StreamAuthentication()
    assert rest_framework.authenticate(rest()) is None
    assert rest_framework.authenticate_header(rest()) == "Bearer"
    found = rest_framework.authenticate(rest(authorization=f"Bearer {token(house)}"))
    assert found is not None
    assert found[0] == house.users["member"]
    assert found[1].org == house.org.pk
    found = rest_framework.authenticate(rest(cookie=cookie))
    assert found is not None
    assert found[1].credential.cookie


def test_rest_refuses_a_bad_token_and_takes_a_dead_cookie_for_none(house: House) -> None:
    with pytest.raises(AuthenticationFailed, match="Sign in, or send a valid token"):
        StreamAuthentication().authenticate(rest(authorization="Bearer rl_bad"))
    assert StreamAuthentication().authenticate(rest(cookie=f"{project.SESSION_COOKIE_NAME}=dead")) is None


def test_rest_asks_a_session_for_its_csrf_token_when_it_writes(house: House, cookie: str) -> None:
    logging.getLogger("django.security.csrf").setLevel(logging.CRITICAL)
    with pytest.raises(PermissionDenied, match="CSRF"):
        StreamAuthentication().authenticate(rest("post", cookie=cookie))
    assert StreamAuthentication().authenticate(rest("post", authorization=f"Bearer {token(house)}")) is not None
