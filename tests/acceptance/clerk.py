"""A process that writes into a server's database on request: one line of JSON in, one out.

    python -m tests.acceptance.clerk          {"do": "emit", "org": "org_…", "count": 3} → {"result": […]}

It is a writer like any other: it serves no streams, so it numbers its events itself after the commit, and the server
learns of them by the heads. `tests.acceptance.house` starts it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402 - models exist only after setup
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.db import transaction  # noqa: E402
from django.utils import timezone  # noqa: E402
from flags.models import FlagState  # noqa: E402

from redline.monitoring.models import ChangeReport, Vendor  # noqa: E402
from redline.monitoring.streams import ChangeDetected, ChangeStateChanged  # noqa: E402
from redline.workspaces import flags  # noqa: E402
from redline.workspaces.models import Membership, Org, User  # noqa: E402
from streaming import log  # noqa: E402
from streaming.models import ApiToken, LogEntry  # noqa: E402
from streaming.models import Head as HeadRow  # noqa: E402
from streaming.outbox import emit_many  # noqa: E402
from tests.people import settle  # noqa: E402


def org() -> dict[str, str]:
    number = Org.objects.count()
    made = Org.objects.create(slug=f"house-{number}", name=f"House {number}")
    return {"org": made.pk, **member(made.pk, role="owner")}


def member(org: str, role: str = "member") -> dict[str, str]:
    user = User.objects.create(username=f"user-{User.objects.count()}")
    settle(org, user.pk, role)
    return {"user": user.pk, "name": user.username, "token": token(user.pk, org)}


def token(user: str, org: str, seconds: float | None = None) -> str:
    expires_at = None if seconds is None else timezone.now() + timedelta(seconds=seconds)
    return ApiToken.issue(user=User.objects.get(pk=user), org=org, expires_at=expires_at)[1]


def revoke(secret: str) -> None:
    ApiToken.objects.get(digest=ApiToken.digest_of(secret)).revoke()


def join(org: str, user: str) -> None:
    Membership.objects.create(org_id=org, user_id=user)


def sign_in(user: str) -> str:
    person = User.objects.get(pk=user)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = person.pk
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.save()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def emit(
    org: str, count: int = 1, start: int = 1, rate: float = 0, to: list[str] | None = None, width: int = 0
) -> list[str]:
    """Emit `change.detected` events whose headlines count up; `to` is their audience, `width` makes them longer."""
    begun = time.monotonic()
    at_once = 1 if rate else count
    for first in range(0, count, at_once):
        if rate:
            time.sleep(max(0.0, begun + first / rate - time.monotonic()))
        with transaction.atomic():
            numbers = range(start + first, start + first + at_once)
            emit_many([(org, _detected(number, width).about("", audience=to or [])) for number in numbers])
    return cursors(org)[-count:]


def _detected(number: int, width: int = 0) -> ChangeDetected:
    vendor = "vnd_1" + width * "x"
    return ChangeDetected(change_report_id=f"chg_{number}", vendor_id=vendor, severity="P3", headline=str(number))


def whisper(org: str, to: str) -> str:
    with transaction.atomic():
        event = ChangeStateChanged(change_report_id="chg_1", state="new", by="usr_system")
        emit_many([(org, event.about("", audience=[to]))])
    return cursors(org)[-1]


def detect(org: str, count: int) -> list[str]:
    """Make real, unresolved change reports: what a snapshot consists of."""
    vendor = Vendor.objects.create(org_id=org, name="Northwind", homepage_url="https://northwind.example")
    reports = [
        ChangeReport.objects.create(org_id=org, vendor=vendor, severity="P2", headline=f"Change {number}")
        for number in range(count)
    ]
    return [report.pk for report in reports]


def cursors(org: str) -> list[str]:
    first = max(log.head(org).floor, 1)
    return [str(entry.cursor) for entry in log.read(org, first=first, limit=100_000).entries]


def head(org: str) -> str:
    return str(log.head(org).cursor)


def switch(org: str, on: bool) -> None:
    """Switch what has a switch for one org, as the admin does."""
    if on:
        FlagState.objects.filter(value=org).delete()
    else:
        FlagState.objects.create(name=flags.Name.EVENT_STREAM, condition=flags.Condition.EXCEPT_ORG, value=org)


def trim(org: str, floor: int) -> None:
    log.trim(org, before=timezone.now(), keep=log.head(org).sequence - floor + 1)


def rewind(org: str, sequence: int) -> None:
    """Restore the log to an older state."""
    with transaction.atomic():
        LogEntry.objects.filter(org=org, sequence__gt=sequence).delete()
        top = LogEntry.objects.get(org=org, sequence=sequence)
        HeadRow.objects.filter(org=org).update(sequence=sequence, fingerprint=log.fingerprint(top.uid))


ACTS = (org, member, token, revoke, join, sign_in, emit, whisper, detect, cursors, head, switch, trim, rewind)


def serve(*functions: Callable[..., Any]) -> None:
    """Call functions by their names, as told line by line, until nothing more is told."""
    acts = {function.__name__: function for function in functions}
    for line in sys.stdin:
        told = json.loads(line)
        act = acts[told.pop("do")]
        try:
            answer = {"result": act(**told)}
        except Exception as error:
            answer = {"error": repr(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(*ACTS)
