"""What stands behind a ticket or a reconnect token: the credential by which its page once signed in.

A stream that was opened by either is worth what that credential is worth, and is looked at again and again like any
other; so both carry a *proof*, which says by what to look: `token:<row>`, `session:<key>`, or `user:<id>:<until>`, with
`until` in Unix seconds where it ends by itself. Nobody can present a proof; it is found behind something else only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.http import QueryDict
from django.utils import timezone

from streaming import cookies
from streaming.authentication import Credential, Identity, Kind
from streaming.models import ApiToken


class Held(Kind):
    """Proofs, as credentials of open streams."""

    name = "held"
    streams_only = True

    def find(self, headers: Mapping[str, str], query: QueryDict) -> Credential | None:
        return None

    def proof(self, identity: Identity) -> str | None:
        return identity.credential.value

    def identify(self, credentials: Sequence[Credential]) -> list[Identity | None]:
        return _identities(credentials)


def holders(proofs: Sequence[str]) -> list[Identity | None]:
    """Return whom each proof stands for now; None where what it names is over."""
    return _identities([Credential(kind=Held.name, value=proof) for proof in proofs])


def _identities(credentials: Sequence[Credential]) -> list[Identity | None]:
    parts = [credential.value.partition(":") for credential in credentials]
    found = {
        kind: look({value for name, _, value in parts if name == kind})
        for kind, look in _LOOKS.items()
        if any(name == kind for name, _, _ in parts)
    }
    return [
        (one := found.get(kind, {}).get(value)) and replace(one, credential=credential)
        for (kind, _, value), credential in zip(parts, credentials, strict=True)
    ]


_NOBODY_YET = Credential(kind=Held.name, value="")


def _tokens(ids: set[str]) -> dict[str, Identity]:
    now = timezone.now()
    rows = ApiToken.objects.filter(pk__in=ids).select_related("user")
    return {
        str(row.pk): Identity(
            user=row.user, org=row.org, credential=_NOBODY_YET, expires_at=row.expires_at, token_id=row.pk
        )
        for row in rows
        if row.is_valid(at=now) and row.user.is_active
    }


def _sessions(keys: set[str]) -> dict[str, Identity]:
    return {
        key: Identity(user=one.user, credential=_NOBODY_YET, expires_at=one.expires_at)
        for key, one in cookies.signed_in(keys).items()
    }


def _users(values: set[str]) -> dict[str, Identity]:
    ends = {value: value.rpartition(":") for value in values}
    users: Any = get_user_model()._default_manager.in_bulk({pk for pk, _, _ in ends.values()})
    by_pk = {str(pk): user for pk, user in users.items() if user.is_active}
    now = timezone.now()
    return {
        value: Identity(user=by_pk[pk], credential=_NOBODY_YET, expires_at=expires_at)
        for value, (pk, _, until) in ends.items()
        if pk in by_pk
        and ((expires_at := datetime.fromtimestamp(float(until), UTC) if until else None) is None or expires_at > now)
    }


_LOOKS = {"token": _tokens, "session": _sessions, "user": _users}
