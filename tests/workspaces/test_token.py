from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from redline.workspaces.models import Membership, Org, User
from streaming.models import ApiToken
from tests import servers

pytestmark = pytest.mark.django_db(transaction=True)


def token(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    call_command("token", *args)
    return capsys.readouterr().out


def refused(*args: str) -> int:
    """The exit code of a refusal, which must have written nothing."""
    before = written()
    with pytest.raises(CommandError) as error:
        call_command("token", *args)
    assert written() == before
    assert len(str(error.value).splitlines()) == 1
    return error.value.returncode


def written() -> tuple[int, int, int, int]:
    return tuple(model.objects.count() for model in (Org, User, Membership, ApiToken))


@pytest.fixture
def ann() -> User:
    org = Org.objects.create(slug="acme")
    user = User.objects.create(username="ann", email="ann@example.org")
    Membership.objects.create(org=org, user=user, role="viewer")
    return user


@pytest.mark.parametrize("org", ["slug", "pk"])
@pytest.mark.parametrize("user", ["username", "email", "pk"])
def test_the_token_stands_alone_on_stdout_and_opens_the_door(
    ann: User, capsys: pytest.CaptureFixture[str], org: str, user: str
) -> None:
    out = token(capsys, getattr(Org.objects.get(), org), getattr(ann, user))
    assert re.fullmatch(r"rl_[A-Za-z0-9_-]{43}\n", out)
    answer = Client().get("/v1/vendors", headers={"Authorization": f"Bearer {out.strip()}"})
    assert answer.status_code == 200
    assert out.strip() not in str(ApiToken.objects.values().get())


def test_create_makes_whichever_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    token(capsys, "acme", "ann@example.org", "--create", "--role", "admin")
    user = User.objects.get()
    assert (Org.objects.get().slug, user.username, user.email) == ("acme", "ann@example.org", "ann@example.org")
    assert not user.has_usable_password()
    assert Membership.objects.get().role == "admin"
    token(capsys, "acme", "ann@example.org", "--create")
    assert written() == (1, 1, 1, 2)


def test_create_leaves_what_is_there_as_it_is(ann: User, capsys: pytest.CaptureFixture[str]) -> None:
    token(capsys, "acme", "ann", "--create", "--role", "owner")
    assert Membership.objects.get().role == "viewer"


def test_a_new_member_is_a_member(ann: User, capsys: pytest.CaptureFixture[str]) -> None:
    token(capsys, "acme", "bob", "--create")
    assert Membership.objects.get(user__username="bob").role == "member"


def test_days_are_counted_from_now(ann: User, capsys: pytest.CaptureFixture[str]) -> None:
    token(capsys, "acme", "ann")
    assert ApiToken.objects.get().expires_at is None
    token(capsys, "acme", "ann", "--days", "3")
    left = ApiToken.objects.last().expires_at - timezone.now()
    assert timedelta(days=3) - timedelta(minutes=1) < left <= timedelta(days=3)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["nowhere", "ann"], 1),
        (["acme", "nobody"], 1),
        (["acme", "usr_nobody", "--create"], 1),
        (["org_nowhere", "ann", "--create"], 1),
        (["Bad Slug", "ann", "--create"], 2),
        (["a" * 41, "ann", "--create"], 2),
        (["acme", "white space", "--create"], 2),
        (["acme", "x" * 151, "--create"], 2),
        (["", "ann"], 2),
        (["acme", " "], 2),
        (["acme", "ann", "--days", "0"], 2),
        (["acme", "ann", "--days", "-3"], 2),
        (["acme", "ann", "--days", "99999999999"], 2),
    ],
)
def test_a_refusal_has_its_code_and_writes_nothing(ann: User, args: list[str], code: int) -> None:
    assert refused(*args) == code


def test_who_is_no_member_gets_no_token_without_create(ann: User, capsys: pytest.CaptureFixture[str]) -> None:
    User.objects.create(username="bob")
    assert refused("acme", "bob") == 1
    assert token(capsys, "acme", "bob", "--create")


def test_who_is_not_active_gets_no_token(ann: User) -> None:
    User.objects.update(is_active=False)
    assert refused("acme", "ann") == 1
    assert refused("acme", "ann", "--create") == 1


def test_a_half_made_org_is_not_left_behind(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> None:
        raise CommandError("the disk is full")

    monkeypatch.setattr(ApiToken, "issue", broken)
    assert refused("other", "bob", "--create") == 1


@pytest.mark.servers
@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["acme", "ann"], 1),
        (["acme"], 2),
        ([], 2),
        (["acme", "ann", "--days", "soon"], 2),
        (["acme", "ann", "--create", "--role", "king"], 2),
    ],
)
def test_on_the_command_line_an_error_is_one_line_and_nothing_on_stdout(args: list[str], code: int) -> None:
    done = servers.manage("token", *args, database_url=servers.fresh_database())
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
