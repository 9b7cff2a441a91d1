"""A clerk with power over rights: every way in which somebody gains or loses one, and what the log then says.

python -m tests.acceptance.registrar          as `tests.acceptance.clerk`, which it includes
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from tests.acceptance.clerk import ACTS, serve, sign_in, token  # isort: skip - sets Django up
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.utils import timezone

from redline.monitoring.streams import ChangeDetected
from redline.workspaces.models import Membership, User
from streaming import recheck
from streaming.core import wire
from streaming.models import ApiToken, LogEntry
from streaming.outbox import emit_many
from tests.people import settle

NOBODY = "usr_nobody"
"""The audience of what only owners and admins see."""


def _token(secret: str) -> ApiToken:
    return ApiToken.objects.get(digest=ApiToken.digest_of(secret))


def people(org: str, wanted: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Make somebody for each that is wanted: of a role, with a token that lives so long, signed in or not."""
    return [_somebody(org, **one) for one in wanted]


def _somebody(org: str, role: str, lives: float | None, by_cookie: bool) -> dict[str, str]:
    user = User.objects.create(username=secrets.token_hex(8)).pk
    settle(org, user, role)
    cookie = sign_in(user) if by_cookie else ""
    spare = token(user, org) if lives is not None else ""
    return {"org": org, "user": user, "token": token(user, org, lives), "spare": spare, "cookie": cookie}


def token_key(secret: str) -> int:
    return _token(secret).pk


def expires(secret: str) -> float:
    """Return when a token expires, by the monotonic clock."""
    at = _token(secret).expires_at
    assert at is not None
    return time.monotonic() + (at - timezone.now()).total_seconds()


# Each of these returns when it began to change something, by the monotonic clock, which all processes share.


def _begun(change: Callable[[], object]) -> float:
    at = time.monotonic()
    change()
    return at


def revoke_token(secret: str) -> float:
    return _begun(_token(secret).revoke)


def delete_token(secret: str) -> float:
    return _begun(_token(secret).delete)


def leave(org: str, user: str) -> float:
    return _begun(Membership.objects.get(org=org, user=user).delete)


def appoint(org: str, user: str, role: str) -> float:
    place = Membership.objects.get(org=org, user=user)
    place.role = role
    return _begun(place.save)


def replace(org: str, user: str, role: str) -> float:
    """Put somebody out and take him in again, in another role."""

    def change() -> None:
        with transaction.atomic():
            Membership.objects.get(org=org, user=user).delete()
            Membership.objects.create(org_id=org, user_id=user, role=role)

    return _begun(change)


def deactivate(user: str) -> float:
    person = User.objects.get(pk=user)
    person.is_active = False
    return _begun(person.save)


def dismiss(user: str) -> float:
    return _begun(User.objects.get(pk=user).delete)


def change_password(user: str) -> float:
    person = User.objects.get(pk=user)
    person.set_password("another one entirely")
    return _begun(person.save)


def end_session(cookie: str) -> float:
    return _begun(Session.objects.get(session_key=cookie.partition("=")[2]).delete)


def look_at_everybody(org: str) -> float:
    return _begun(lambda: recheck(org))


def by_hand(sql: str, values: list[str]) -> float:
    """Change a row as somebody with a database console does."""

    def change() -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            assert cursor.rowcount == 1, (sql, cursor.rowcount)

    return _begun(change)


def administrator() -> str:
    """Sign in a user who may do everything in the admin."""
    return sign_in(User.objects.create_superuser(username="administrator").pk)


def chatter(org: str, rate: float, seconds: float) -> int:
    """Commit events, by turns for everybody and for owners only, at this rate; returns how many.

    One by one, or several that are late together: on a busy machine the rate is kept all the same.
    """
    begun = time.monotonic()
    count = 0
    while time.monotonic() - begun < seconds:
        due = int((time.monotonic() - begun) * rate) + 1
        if due > count:
            _say(org, range(count + 1, due + 1))
            count = due
        time.sleep(max(0.0, begun + count / rate - time.monotonic()))
    return count


def burst(org: str, count: int, width: int) -> None:
    """Commit so many events in batches, with headlines of a length."""
    for first in range(1, count + 1, 100):
        _say(org, range(first, min(first + 100, count + 1)), width)


def _say(org: str, numbers: range, width: int = 1) -> None:
    with transaction.atomic():
        emit_many(
            [(org, _event(number, width).about("", audience=[] if number % 2 else [NOBODY])) for number in numbers]
        )


def _event(number: int, width: int) -> ChangeDetected:
    vendor = "vnd_open" if number % 2 else "vnd_hidden"
    return ChangeDetected(
        change_report_id=f"chg_{number}", vendor_id=vendor, severity="P3", headline=f"{number:0{width}}"
    )


def written(org: str) -> dict[str, list[int]]:
    """Return the sequences of the org's events: those for everybody, and those for owners only."""
    rows = LogEntry.objects.filter(org=org, sequence__isnull=False).exclude(type=wire.RIGHTS).order_by("sequence")
    told = list(rows.values_list("sequence", "audience"))
    return {
        "open": [sequence for sequence, audience in told if not audience],
        "hidden": [sequence for sequence, audience in told if audience],
    }


def moved(org: str) -> dict[str, int]:
    """Return at which sequence the log first tells that a user's rights have moved."""
    rows = LogEntry.objects.filter(org=org, sequence__isnull=False, type=wire.RIGHTS).order_by("-sequence")
    return {user: sequence for sequence, users in rows.values_list("sequence", "audience") for user in users.split()}


if __name__ == "__main__":
    serve(
        *ACTS,
        *(people, token_key, expires, revoke_token, delete_token, leave, appoint, replace, deactivate, dismiss),
        *(change_password, end_session, look_at_everybody, by_hand, administrator, chatter, burst, written, moved),
    )
