"""Events to emit where any will do, and short cuts to what the log then holds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction

from redline.monitoring.streams import ChangeDetected
from streaming import log
from streaming.authentication import Credential
from streaming.core import wire
from streaming.core.entry import Entry
from streaming.models import ApiToken, LogEntry
from streaming.outbox import emit_many

_numbers = itertools.count(1)


def new_org() -> str:
    """Return an org's key that no test has used: heads are remembered over the flush between two tests."""
    return f"org_{next(_numbers):06}"


def bearer(user: Any, org: str) -> Credential:
    """Return the credential of a user with a token for an org."""
    return Credential(kind="bearer", value=ApiToken.issue(user=user, org=org)[1])


def detected(headline: object = "") -> ChangeDetected:
    return ChangeDetected(change_report_id="chg_1", vendor_id="vnd_1", severity="P3", headline=str(headline))


def commit(org: str, headlines: Iterable[object] = ("",), **about: Any) -> list[LogEntry]:
    """Emit one event per headline in one transaction, committed."""
    with transaction.atomic():
        return emit_many([(org, detected(one).about(about.pop("resource", ""), **about)) for one in headlines])


def entries(org: str) -> tuple[Entry, ...]:
    """Return the events of an org's log; what it says of rights is no event."""
    return tuple(one for one in log.read(org, first=1, limit=100_000).entries if one.type != wire.RIGHTS)


def sequences(org: str) -> list[int]:
    return [entry.sequence for entry in entries(org)]


def headlines(org: str) -> list[str]:
    return [json.loads(entry.data)["headline"] for entry in entries(org)]


def types(org: str) -> list[str]:
    return [entry.type for entry in entries(org)]


def waiting(org: str) -> int:
    return LogEntry.objects.filter(org=org, sequence=None).count()


def database_url() -> str:
    """Return the URL of the test's own database, for a process of its own."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{found['NAME']}"
    return f"postgres://{found['USER']}@{found['HOST']}:{found['PORT']}/{found['NAME']}"
