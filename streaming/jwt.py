"""JSON Web Tokens as credentials: of users whom their `sub` names, for the org that a claim of theirs names.

A token whose user is unknown or inactive is nobody's. One that names an org of which its user is no member stands for
the user without an org, who is refused later on; one that names none leaves the choice as it is for who has signed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, ClassVar

from django.http import QueryDict

from streaming import access, authentication, claims
from streaming.authentication import BearerToken, Credential, Identity, Kind, QueryToken
from streaming.claims import Claims
from streaming.jwks import FETCH_SECONDS
from streaming.models import ApiToken

WAIT_SECONDS = FETCH_SECONDS
"""How long a request may wait for the key of its own token."""
ISSUER_AWAY = "The keys by which this token is to be verified cannot be had."


class Jwt(Kind):
    """Whatever is carried as a token and is no API token; absent where this site takes no JSON Web Tokens."""

    carrier: ClassVar[Kind]

    def find(self, headers: Mapping[str, str], query: QueryDict) -> Credential | None:
        found = self.carrier.find(headers, query)
        if found is None or found.value.startswith(ApiToken.PREFIX) or not claims.configured():
            return None
        return replace(found, kind=self.name, asked_org=query.get("org", ""))

    def identify(self, credentials: Sequence[Credential]) -> list[Identity | None]:
        bearers = _bearers(credentials)
        orgs = _orgs([bearer for bearer in bearers if bearer is not None])
        return [
            bearer and replace(_identity(bearer, credential), org=_org_of(bearer, credential, orgs))
            for bearer, credential in zip(bearers, credentials, strict=True)
        ]

    def verify(self, credentials: Sequence[Credential]) -> list[Identity | None]:
        bearers = _bearers(credentials)
        return [bearer and _identity(bearer, one) for bearer, one in zip(bearers, credentials, strict=True)]

    def proof(self, identity: Identity) -> str | None:
        return authentication.proof_of_user(identity)


class BearerJwt(Jwt):
    """`Authorization: Bearer …`."""

    name = "bearer-jwt"
    carrier = BearerToken()


class QueryJwt(Jwt):
    """`?token=…`."""

    name = "token-jwt"
    carrier = QueryToken()


Bearer = tuple[Any, Claims]
"""An active user and what his token says."""


def _bearers(credentials: Sequence[Credential]) -> list[Bearer | None]:
    """Return whose the tokens are, by one look-up for all."""
    found = [claims.read(credential.value) for credential in credentials]
    users = access.current().users_of_subjects({said.subject for said in found if said})
    known = {subject: user for subject, user in users.items() if user.is_active}
    return [(known[said.subject], said) if said and said.subject in known else None for said in found]


def _identity(bearer: Bearer, credential: Credential) -> Identity:
    user, said = bearer
    return Identity(user=user, credential=credential, expires_at=said.expires_at)


def _org_of(bearer: Bearer, credential: Credential, orgs: Mapping[tuple[str, str], str]) -> str | None:
    user, said = bearer
    if said.org is None:
        return authentication.active_org(user, credential, session=None)
    return orgs.get((str(user.pk), said.org))


def _orgs(bearers: Sequence[Bearer]) -> dict[tuple[str, str], str]:
    """Return the keys of the orgs that tokens name, by (user, name), as far as their users are members."""
    project = access.current()
    named = {(str(user.pk), said.org): user for user, said in bearers if said.org}
    found = {name: project.find_org(name) for name in {name for _, name in named}}
    members = {one: (user, key) for one, user in named.items() if (key := found[one[1]]) is not None}
    rights = project.rights_of_many(list(members.values()))
    return {one: key for (one, (_, key)), granted in zip(members.items(), rights, strict=True) if granted is not None}


def pending(credential: Credential) -> Future[None] | None:
    """Return the fetch that may bring the key by which this token can be verified, if there is one under way.

    Whoever waits for it, for 3 s at most, holds up nobody but himself.
    """
    if not isinstance(authentication.kinds()[credential.kind], Jwt):
        return None
    return claims.pending(credential.value)


def undecided(credential: Credential) -> bool:
    """Say whether nobody can tell now if this token is good: its issuer is away, and his keys unknown or too old.

    To be asked before it is looked up; the answer to whoever shows it is then a temporary one.
    """
    return isinstance(authentication.kinds()[credential.kind], Jwt) and claims.undecided(credential.value)
