from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import wait
from datetime import UTC, datetime
from typing import Any

import jwt as pyjwt
import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.http import QueryDict
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from redline.workspaces.models import Org
from streaming import authentication, jwt
from streaming.access import Access
from streaming.authentication import Credential, Identity, find, identify_many, verify_many
from streaming.rest import IssuerAway, StreamAuthentication
from tests.attacks import ATTACKS, hmac_by, public_pem
from tests.issuer import AUDIENCE, NAME, SECRET, Issuer, assembled, claims, issuer, shared, signed
from tests.monitoring.scripted_web import answer
from tests.people import settle
from tests.streaming.sync.conftest import House

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def configure(settings: Settings, **chosen: str) -> None:
    usual = {"JWT_SECRET": SECRET, "JWT_ISSUER": NAME, "JWT_AUDIENCE": AUDIENCE}
    settings.STREAMING = {**settings.STREAMING, **usual, **chosen}


@pytest.fixture
def it(settings: Settings) -> Iterator[Issuer]:
    """Take the tokens of an issuer, whose keys are known already."""
    with issuer() as made:
        configure(settings, **made.settings())
        warm(made)
        yield made


def warm(it: Issuer) -> None:
    """Have the keys fetched by a token that names one of them."""
    fetch = jwt.pending(bearer(signed("nobody", kid=it.kids[0])))
    if fetch is not None:
        wait([fetch], timeout=10)


def bearer(token: str, *, asked_org: str = "") -> Credential:
    return Credential(kind="bearer-jwt", value=token, asked_org=asked_org)


def whose(token: str, **about: str) -> Identity | None:
    return identify_many([bearer(token, **about)])[0]


def member(house: House) -> Any:
    return house.users["member"]


# -- which credential --------------------------------------------------------------------------------------------------


def presented(query: str = "", **headers: str) -> tuple[str, str] | None:
    found = find(headers, QueryDict(query))
    return None if found is None else (found.kind, found.value)


def test_a_token_that_is_no_api_token_is_a_json_web_token(settings: Settings) -> None:
    configure(settings)
    assert presented(authorization="Bearer a.b.c") == ("bearer-jwt", "a.b.c")
    assert presented("token=a.b.c") == ("token-jwt", "a.b.c")
    assert presented(authorization="Bearer rl_a") == ("bearer", "rl_a")
    assert presented("token=rl_a") == ("token", "rl_a")


def test_the_header_beats_the_query_whatever_each_of_them_carries(settings: Settings) -> None:
    configure(settings)
    assert presented("token=a.b.c", authorization="Bearer rl_a") == ("bearer", "rl_a")
    assert presented("token=rl_a", authorization="Bearer a.b.c") == ("bearer-jwt", "a.b.c")
    assert presented("token=a.b.c", authorization="Basic x") == ("token-jwt", "a.b.c")


@pytest.mark.parametrize("missing", ["JWT_SECRET", "JWT_ISSUER", "JWT_AUDIENCE"])
def test_where_none_are_taken_each_is_a_bad_api_token(settings: Settings, missing: str, house: House) -> None:
    configure(settings, **{missing: ""})
    token = shared(member(house).pk)
    assert presented(authorization=f"Bearer {token}") == ("bearer", token)
    found = find({"authorization": f"Bearer {token}"}, QueryDict())
    assert found is not None
    assert identify_many([found]) == [None]


# -- good tokens -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [shared, signed, lambda subject: signed(subject, kid="ec-1")])
def test_a_good_token_stands_for_its_subject_until_it_expires(it: Issuer, house: House, made: Any) -> None:
    token = made(member(house).pk)
    exp = pyjwt.decode(token, options={"verify_signature": False})["exp"]
    identity = whose(token)
    assert identity is not None
    assert (identity.user, identity.org) == (member(house), house.org.pk)
    assert identity.expires_at == datetime.fromtimestamp(exp, UTC)
    assert identity.token_id is None
    assert not identity.credential.cookie


def test_a_subject_may_be_the_issuers_own_id_of_a_user(settings: Settings, house: House) -> None:
    configure(settings)
    owner = house.users["owner"]
    owner.external_id = "user_2abcDEF"
    owner.save()
    identity = whose(shared("user_2abcDEF"))
    assert identity is not None
    assert identity.user == owner


def test_our_own_id_beats_an_issuers(settings: Settings, house: House) -> None:
    configure(settings)
    owner = house.users["owner"]
    owner.external_id = member(house).pk
    owner.save()
    identity = whose(shared(member(house).pk))
    assert identity is not None
    assert identity.user == member(house)


@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], ["other", AUDIENCE]])
def test_one_of_several_audiences_is_enough(settings: Settings, house: House, aud: Any) -> None:
    configure(settings)
    assert whose(shared(member(house).pk, aud=aud)) is not None


def test_many_are_one_look_up_of_users_and_keep_their_order(
    settings: Settings, house: House, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    configure(settings, JWT_ORG_CLAIM="org")
    users = list(house.users.values())
    asked = [bearer(token) for user in users for token in (shared(user.pk, org=house.org.slug), "a.b.c")] * 10
    with django_assert_num_queries(4):  # users, the org, who is a member, and of which projects
        found = identify_many(asked)
    assert [identity and identity.user for identity in found] == [one for user in users for one in (user, None)] * 10
    assert {identity.org for identity in found if identity} == {house.org.pk}
    assert [identity.credential for identity in found if identity] == asked[::2]


def test_an_open_streams_token_is_looked_at_without_its_org(
    settings: Settings, house: House, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    configure(settings, JWT_ORG_CLAIM="org")
    good = [bearer(shared(user.pk, org=org)) for user in house.users.values() for org in (None, house.org.slug)]
    with django_assert_num_queries(1):
        found = verify_many([*good, bearer("a.b.c")])
    assert [identity and identity.org for identity in found] == [None] * 9
    assert [identity and identity.credential for identity in found] == [*good, None]
    assert all(identity.expires_at for identity in found if identity)


def test_a_token_that_was_good_is_not_when_it_has_expired(settings: Settings, house: House) -> None:
    configure(settings)
    exp = int(time.time()) + 300
    token = shared(member(house).pk, exp=exp)
    assert whose(token) is not None
    with time_machine.travel(exp - 1, tick=False):
        assert whose(token) is not None
    with time_machine.travel(exp, tick=False):
        assert whose(token) is None


def test_a_token_that_was_good_is_not_when_the_site_has_other_rules(settings: Settings, house: House) -> None:
    for changed in ({"JWT_ISSUER": "x"}, {"JWT_AUDIENCE": "x"}, {"JWT_SECRET": "x" * 32}):
        configure(settings)
        assert whose(token := shared(member(house).pk)) is not None
        configure(settings, **changed)
        assert whose(token) is None, changed


def test_rest_takes_it_too_and_waits_for_its_key(settings: Settings, house: House) -> None:
    with issuer() as cold:
        configure(settings, **cold.settings())
        token = signed(member(house).pk)
        request = Request(APIRequestFactory().get("/v1/vendors", headers={"Authorization": f"Bearer {token}"}))
        found = StreamAuthentication().authenticate(request)
    assert found is not None
    assert found[0] == member(house)


def test_rest_refuses_nobody_for_good_while_his_issuer_is_away(settings: Settings, house: House) -> None:
    with issuer() as it:
        configure(settings, **it.settings())
        it.answer = lambda handler: answer(handler, b"{}", 503)
        for credential in (signed(member(house).pk), signed(member(house).pk, kid="ec-1"), signed("nobody", exp=1)):
            with pytest.raises(IssuerAway) as refused:
                StreamAuthentication().authenticate(requested(credential))
            assert (refused.value.status_code, refused.value.get_codes()) == (503, "stream-unavailable")
        assert StreamAuthentication().authenticate(requested(shared(member(house).pk))) is not None, (
            "needs no key of his"
        )
        for credential in (shared(member(house).pk, secret="x" * 32), "a.b.c", "rl_x"):
            with pytest.raises(AuthenticationFailed):
                StreamAuthentication().authenticate(requested(credential))


def requested(token: str) -> Request:
    return Request(APIRequestFactory().get("/", headers={"Authorization": f"Bearer {token}"}))


def test_rest_refuses_a_bad_one(settings: Settings, house: House) -> None:
    configure(settings)
    request = Request(APIRequestFactory().get("/v1/vendors", headers={"Authorization": "Bearer a.b.c"}))
    with pytest.raises(AuthenticationFailed):
        StreamAuthentication().authenticate(request)


# -- bad tokens --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_bad_token_is_nobodys(it: Issuer, house: House, attack: str) -> None:
    assert whose(ATTACKS[attack](member(house).pk)) is None


def test_a_user_cannot_be_named_by_a_name_that_he_has_chosen(settings: Settings, house: House) -> None:
    configure(settings)
    for name in (member(house).username, member(house).email):
        assert whose(shared(name)) is None


def test_an_inactive_user_is_nobody(settings: Settings, house: House) -> None:
    configure(settings)
    get_user_model().objects.filter(pk=member(house).pk).update(is_active=False)
    assert whose(shared(member(house).pk)) is None


def test_a_secret_that_is_too_short_verifies_nothing(settings: Settings, house: House) -> None:
    configure(settings, JWT_SECRET="s" * 31)
    assert whose(hmac_by(b"s" * 31, {"alg": "HS256"}, claims(member(house).pk))) is None
    configure(settings, JWT_SECRET="s" * 32)
    assert whose(hmac_by(b"s" * 32, {"alg": "HS256"}, claims(member(house).pk))) is not None


def test_without_a_secret_no_hmac_is_good(it: Issuer, settings: Settings, house: House) -> None:
    configure(settings, **it.settings(), JWT_SECRET="")
    for secret in (b"", SECRET.encode(), public_pem()):
        assert whose(hmac_by(secret, {"alg": "HS256", "kid": "rsa-1"}, claims(member(house).pk))) is None


def test_without_a_key_set_no_key_is_good(settings: Settings, house: House) -> None:
    configure(settings)
    assert whose(signed(member(house).pk)) is None
    assert jwt.pending(bearer(signed(member(house).pk))) is None


@pytest.mark.parametrize(("minutes", "good"), [(-6, False), (-5, False), (0, True), (4, True), (5, False), (6, False)])
def test_a_clock_that_is_minutes_off_refuses_and_does_no_more(
    settings: Settings, house: House, minutes: int, good: bool
) -> None:
    configure(settings)
    now = datetime.now(UTC)
    token = shared(member(house).pk)
    with time_machine.travel(now.timestamp() + minutes * 60, tick=False):
        assert (whose(token) is not None) == good


@pytest.mark.parametrize(("ahead", "good"), [(9, True), (11, False)])
@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_the_issuers_clock_may_be_ten_seconds_ahead(
    settings: Settings, house: House, claim: str, ahead: int, good: bool
) -> None:
    configure(settings)
    with time_machine.travel(datetime.now(UTC), tick=False):
        token = shared(member(house).pk, **{claim: int(time.time()) + ahead + 1})
        with time_machine.travel(time.time() + 1, tick=False):
            assert (whose(token) is not None) == good


# -- the org -----------------------------------------------------------------------------------------------------------


def org_of(token: str, **about: str) -> str | None:
    identity = whose(token, **about)
    assert identity is not None, "the token itself is good"
    return identity.org


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("org", lambda value: {"org": value}),
        ("o.id", lambda value: {"o": {"id": value}}),
        ("a.b.c", lambda value: {"a": {"b": {"c": value}}}),
        ("https://issuer.example/org", lambda value: {"https://issuer.example/org": value}),
    ],
)
def test_the_org_is_the_one_that_the_claim_names(settings: Settings, house: House, path: str, named: Any) -> None:
    configure(settings, JWT_ORG_CLAIM=path)
    second = Org.objects.create(slug="second")
    settle(second.pk, member(house).pk)
    for org in (house.org, second):
        for value in (org.pk, org.slug):
            assert org_of(shared(member(house).pk, **named(value)), asked_org=house.org.slug) == org.pk


@pytest.mark.parametrize("value", ["foreign", "unknown", "\0", "\ud800", "x" * 300, 5, True, ["acme"], {"id": "acme"}])
def test_an_org_that_is_not_the_users_is_none(settings: Settings, house: House, value: Any) -> None:
    configure(settings, JWT_ORG_CLAIM="org")
    Org.objects.create(slug="foreign")
    assert org_of(shared(member(house).pk, org=value)) is None
    assert org_of(shared(member(house).pk, org=value), asked_org=house.org.slug) is None


def test_what_stands_where_a_claim_should_hold_others_names_no_org(settings: Settings, house: House) -> None:
    configure(settings, JWT_ORG_CLAIM="o.id")
    for value in ("acme", 5, ["id"]):
        assert org_of(shared(member(house).pk, o=value)) is None


@pytest.mark.parametrize("absent", [{}, {"o": {}}, {"o": {"id": None}}, {"o": {"id": ""}}])
def test_where_the_claim_is_absent_the_org_is_as_for_somebody_signed_in(
    settings: Settings, house: House, absent: dict[str, Any]
) -> None:
    configure(settings, JWT_ORG_CLAIM="o.id")
    second = Org.objects.create(slug="second")
    settle(second.pk, member(house).pk)
    foreign = Org.objects.create(slug="foreign")
    token = shared(member(house).pk, **absent)
    assert org_of(token) == house.org.pk, "the oldest membership"
    assert org_of(token, asked_org="second") == second.pk
    assert org_of(token, asked_org=foreign.pk) is None


def test_without_a_name_for_the_claim_none_is_read(settings: Settings, house: House) -> None:
    configure(settings)
    assert org_of(shared(member(house).pk, **{"": "foreign"})) == house.org.pk


# -- the wait for a key ------------------------------------------------------------------------------------------------


def test_only_a_token_whose_key_is_missing_has_something_to_wait_for(settings: Settings, house: House) -> None:
    with issuer() as cold:
        configure(settings, **cold.settings())
        cold.hold()
        pk = member(house).pk
        for token in (shared(pk), "a.b.c", "\ud800", assembled({"alg": "none", "kid": "x"}, {}), "x" * 10_000):
            assert jwt.pending(bearer(token)) is None
        assert jwt.pending(Credential(kind="bearer", value=signed(pk))) is None
        fetch = jwt.pending(bearer(signed(pk)))
        assert fetch is not None
        assert whose(signed(pk)) is None, "identify itself waits for nothing"
        assert whose(shared(pk)) is not None
        assert not fetch.done()
        cold.release()
        wait([fetch], timeout=10)
        assert jwt.pending(bearer(signed(pk))) is None
        assert whose(signed(pk)) is not None
        assert cold.fetches == 1


# -- the seam ----------------------------------------------------------------------------------------------------------


def test_by_default_a_subject_is_a_primary_key(house: House) -> None:
    pk = member(house).pk
    assert Access().users_of_subjects({pk, "usr_unknown", member(house).username}) == {pk: member(house)}


def test_a_project_chooses_whether_it_takes_such_tokens(settings: Settings) -> None:
    configure(settings, AUTHENTICATION=["streaming.authentication.BearerToken"])  # type: ignore[arg-type]
    assert list(authentication.kinds()) == ["bearer", "held"]
    assert presented(authorization="Bearer a.b.c") == ("bearer", "a.b.c")
