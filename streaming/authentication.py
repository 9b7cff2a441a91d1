"""Who is asking: the credentials in their one order, the same for REST, streams and polling.

Each kind of credential is a class with two halves: `find` looks at the request's headers and query and touches
nothing; `identify` asks the database, for many at once. The first kind that is *present* decides: if it is bad, no
later one is tried, because a client that sends a bad token means that token. The refusal never says what was wrong.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar

from django.conf import settings
from django.core.signals import setting_changed
from django.db import connections, router, transaction
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.module_loading import import_string

from streaming import access, conf, cookies
from streaming.core.errors import Refused
from streaming.core.wire import is_org
from streaming.models import ApiToken

logger = logging.getLogger("streaming.authentication")

CHALLENGE = {"WWW-Authenticate": "Bearer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A credential as it was presented. `cookie` marks those that a browser adds by itself."""

    kind: str
    value: str
    asked_org: str = ""
    cookie: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a credential may be used for: by pages of one origin, and at one address where it names one.

    An empty origin is that of whoever sent none; `address` is what `Exchange` says that was asked for.
    """

    origin: str
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a credential stands for.

    `org` is None where a user belongs to none, or asks for one that is not his; whether a token's org is still its
    user's is not yet decided. `credential` is what its streams are re-checked by, not always what was presented.
    `position` is the cursor that the credential itself carries.
    """

    user: Any
    org: str | None = None
    credential: Credential
    expires_at: datetime | None = None
    token_id: int | None = None
    binding: Binding | None = None
    position: str = ""
    ticket_id: int | None = None

    @property
    def user_id(self) -> str:
        return str(self.user.pk)


class Kind:
    """One kind of credential."""

    name: ClassVar[str]
    streams_only: ClassVar[bool] = False
    """True where it opens streams and nothing else."""

    def find(self, headers: Mapping[str, str], query: QueryDict) -> Credential | None:
        """Return the credential if it is present; header names are lower case."""
        raise NotImplementedError

    def identify(self, credentials: Sequence[Credential]) -> list[Identity | None]:
        """Return who each stands for; None for what is bad, expired or revoked."""
        raise NotImplementedError

    def verify(self, credentials: Sequence[Credential]) -> list[Identity | None]:
        """Return whom each still stands for; `org` need only be told where the credential is bound to one.

        Asked about thousands of open streams every few seconds: override to spare the look-ups that choose an org.
        """
        return self.identify(credentials)

    def proof(self, identity: Identity) -> str | None:
        """Return by what an identity of this kind is looked up later on, without its secret; see `streaming.proofs`.

        None where it cannot be: then it gets neither tickets nor reconnect tokens, which would outlive its revocation.
        """
        return None


class Token(Kind):
    """API tokens, wherever they are carried."""

    def identify(self, credentials: Sequence[Credential]) -> list[Identity | None]:
        now = timezone.now()
        tokens = self._valid(credentials, now)
        _used(tokens.values(), now)
        return self._identities(tokens, credentials)

    def verify(self, credentials: Sequence[Credential]) -> list[Identity | None]:
        return self._identities(self._valid(credentials, timezone.now()), credentials)

    def proof(self, identity: Identity) -> str | None:
        return f"token:{identity.token_id}"

    def _valid(self, credentials: Sequence[Credential], now: datetime) -> dict[str, ApiToken]:
        """Return the tokens that are good now, by digest."""
        digests = {ApiToken.digest_of(credential.value) for credential in credentials}
        rows = ApiToken.objects.filter(digest__in=digests).select_related("user").defer("hint", "label", "created_at")
        return {row.digest: row for row in rows if row.is_valid(at=now) and row.user.is_active}

    def _identities(self, tokens: Mapping[str, ApiToken], credentials: Sequence[Credential]) -> list[Identity | None]:
        return [self._identity(tokens.get(ApiToken.digest_of(one.value)), one) for one in credentials]

    def _identity(self, token: ApiToken | None, credential: Credential) -> Identity | None:
        if token is None:
            return None
        return Identity(
            user=token.user,
            org=token.org,
            credential=credential,
            expires_at=token.expires_at,
            token_id=token.pk,
        )


class BearerToken(Token):
    """`Authorization: Bearer …`; a header of another scheme counts as absent."""

    name = "bearer"

    def find(self, headers: Mapping[str, str], query: QueryDict) -> Credential | None:
        scheme, _, value = headers.get("authorization", "").strip().partition(" ")
        value = value.strip()
        if scheme.lower() != "bearer" or not value:
            return None
        return Credential(kind=self.name, value=value)


class QueryToken(Token):
    """`?token=…`, for clients that cannot set headers."""

    name = "token"

    def find(self, headers: Mapping[str, str], query: QueryDict) -> Credential | None:
        value = query.get("token", "").strip()
        return Credential(kind=self.name, value=value) if value else None


class SimpleUser(Kind):
    """The header `X-User-ID`, trusted as it is; only with SIMPLE_MODE."""

    name = "simple"

    def find(self, headers: Mapping[str, str], query: QueryDict) -> Credential | None:
        value = headers.get("x-user-id", "").strip()
        if not conf.streaming.SIMPLE_MODE or not value.isprintable() or not value:
            return None
        return Credential(kind=self.name, value=value, asked_org=query.get("org", ""))

    def identify(self, credentials: Sequence[Credential]) -> list[Identity | None]:
        found = self.verify(credentials)
        return [one and replace(one, org=active_org(one.user, one.credential, session=None)) for one in found]

    def verify(self, credentials: Sequence[Credential]) -> list[Identity | None]:
        return [self._one(credential) for credential in credentials]

    def proof(self, identity: Identity) -> str | None:
        return proof_of_user(identity)

    def _one(self, credential: Credential) -> Identity | None:
        user = access.current().find_user(credential.value)
        return Identity(user=user, credential=credential) if user is not None and user.is_active else None


class SessionCookie(Kind):
    """Django's own session; a dead one counts as absent."""

    name = "session"

    def find(self, headers: Mapping[str, str], query: QueryDict) -> Credential | None:
        from django.http import parse_cookie

        key = parse_cookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME, "")
        if not key or "\0" in key:  # a quoted cookie can hold one, and PostgreSQL raises at it
            return None
        return Credential(kind=self.name, value=key, asked_org=query.get("org", ""), cookie=True)

    def identify(self, credentials: Sequence[Credential]) -> list[Identity | None]:
        return self._identities(credentials, choose_org=True)

    def verify(self, credentials: Sequence[Credential]) -> list[Identity | None]:
        return self._identities(credentials, choose_org=False)

    def proof(self, identity: Identity) -> str | None:
        return f"session:{identity.credential.value}"

    def _identities(self, credentials: Sequence[Credential], *, choose_org: bool) -> list[Identity | None]:
        found = cookies.signed_in({credential.value for credential in credentials})
        return [self._identity(found.get(one.value), one, choose_org=choose_org) for one in credentials]

    def _identity(self, found: cookies.SignedIn | None, credential: Credential, *, choose_org: bool) -> Identity | None:
        if found is None:
            return None
        org = active_org(found.user, credential, session=found.data) if choose_org else None
        return Identity(user=found.user, org=org, credential=credential, expires_at=found.expires_at)


def active_org(user: Any, credential: Credential, *, session: Any) -> str | None:
    """Return the org that a user means whose credential names none: the one asked for, else the project's choice."""
    request = HttpRequest()
    request.user = user
    request.session = session if session is not None else {}
    query: Any = QueryDict(mutable=True)
    if credential.asked_org:
        query["org"] = credential.asked_org
    request.GET = query
    if not credential.asked_org:
        return access.current().active_org(request)
    # Only an org that is his is looked at any further: a stranger's wish must not make a log, nor join a group.
    org = access.current().active_org(request) if is_org(credential.asked_org) else None
    return org if org is not None and access.current().rights(user, org) is not None else None


_TOUCH_EVERY = 60.0
_stale: set[int] = set()


def _used(tokens: Iterable[ApiToken], now: datetime) -> None:
    """Remember whose last use is to be noted, at most once a minute each."""
    for token in tokens:
        if token.last_used_at is None or (now - token.last_used_at).total_seconds() > _TOUCH_EVERY:
            _stale.add(token.pk)


def note_use() -> None:
    """Write the last uses, in one statement.

    Not part of a look-up: a write waits for other writers, and an answer to a client must not wait for it. A serving
    process does it every few seconds, any other one after its request was authenticated. A row that somebody else has
    locked is left out, where the database can: its next use is noted as well.
    """
    ids = list(_taken())
    if not ids:
        return
    used, database = ApiToken.objects.filter(pk__in=ids), router.db_for_write(ApiToken)
    if connections[database].features.has_select_for_update_skip_locked:
        free = used.using(database).select_for_update(skip_locked=True).values("pk")
        with transaction.atomic(using=database, savepoint=False):
            ApiToken.objects.filter(pk__in=free).update(last_used_at=timezone.now())
    else:
        used.update(last_used_at=timezone.now())


def _taken() -> Iterator[int]:
    """Take what is to be noted, beside other threads that do the same."""
    with contextlib.suppress(KeyError):
        while True:
            yield _stale.pop()


@lru_cache(maxsize=1)
def kinds() -> dict[str, Kind]:
    """Return the project's kinds of credential by name, in their order; the last is nobody's to present."""
    made = [import_string(path)() for path in (*conf.streaming.AUTHENTICATION, "streaming.proofs.Held")]
    return {kind.name: kind for kind in made}


def proof(identity: Identity) -> str | None:
    """Return by what an identity can be looked up again, if it can."""
    return kinds()[identity.credential.kind].proof(identity)


def proof_of_user(identity: Identity) -> str:
    """Return the proof of who is known by nothing but himself, until his credential ends."""
    until = "" if identity.expires_at is None else identity.expires_at.timestamp()
    return f"user:{identity.user_id}:{until}"


def _forget(*, setting: str, **_: object) -> None:
    if setting == "STREAMING":
        kinds.cache_clear()


setting_changed.connect(_forget, dispatch_uid="streaming.authentication")


def find(headers: Mapping[str, str], query: QueryDict) -> Credential | None:
    """Return the first credential that is present."""
    for kind in kinds().values():
        credential = kind.find(headers, query)
        if credential is not None:
            return credential
    return None


def identify_many(credentials: Sequence[Credential]) -> list[Identity | None]:
    """Return who each credential stands for, by one look-up per kind."""
    return _by_kind(credentials, lambda kind, some: kind.identify(some))


def verify_many(credentials: Sequence[Credential]) -> list[Identity | None]:
    """Return whom each credential still stands for; their orgs are known already."""
    return _by_kind(credentials, lambda kind, some: kind.verify(some))


def _by_kind(
    credentials: Sequence[Credential], ask: Callable[[Kind, Sequence[Credential]], list[Identity | None]]
) -> list[Identity | None]:
    found: dict[int, Identity | None] = {}
    for name, kind in kinds().items():
        mine = [index for index, credential in enumerate(credentials) if credential.kind == name]
        if mine:
            found.update(zip(mine, ask(kind, [credentials[index] for index in mine]), strict=True))
    return [found.get(index) for index in range(len(credentials))]


def unauthenticated() -> Refused:
    """The one answer to a missing, bad, expired, used or revoked credential."""
    return Refused(401, "unauthenticated", "Sign in, or send a valid token.", headers=CHALLENGE)
