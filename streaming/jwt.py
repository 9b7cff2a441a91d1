"""JSON Web Tokens as credentials: HS256 by a shared secret, RS256 and ES256 by the keys that their issuer publishes.

A token must be signed, for this audience, by this issuer, say when it expires, and name a user who is known and active;
anything else is nobody's, and the refusal does not say why. What decides on the algorithm is the key and never the
token: a public key verifies no HMAC. What a token says about where its key is to be had (`jku`, `x5u`, `jwk`, `x5c`) is
not read.

`exp` is taken strictly, because that is when a stream ends; `nbf` and `iat` may lie 10 s ahead of this clock.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar

import jwt
from django.http import QueryDict
from django.utils import timezone
from jwt.utils import base64url_encode

from streaming import access, authentication, conf
from streaming.authentication import BearerToken, Credential, Identity, Kind, QueryToken
from streaming.jwks import FETCH_SECONDS, KeySet
from streaming.models import ApiToken

logger = logging.getLogger("streaming.jwt")

LEEWAY_SECONDS = 10
MAX_CHARACTERS = 8_192
MAX_NAME = 255
KEY_BYTES = 32
"""The shortest secret for HS256: as long as what it makes."""
WAIT_SECONDS = FETCH_SECONDS
"""How long a request may wait for the key of its own token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a verified token says; `org` as its issuer knows it, None where it names none."""

    subject: str
    org: str | None
    expires_at: datetime


class Jwt(Kind):
    """Whatever is carried as a token and is no API token; absent where this site takes no JSON Web Tokens."""

    carrier: ClassVar[Kind]

    def find(self, headers: Mapping[str, str], query: QueryDict) -> Credential | None:
        found = self.carrier.find(headers, query)
        if found is None or found.value.startswith(ApiToken.PREFIX) or not configured():
            return None
        return replace(found, kind=self.name, asked_org=query.get("org", ""))

    def identify(self, credentials: Sequence[Credential]) -> list[Identity | None]:
        verified = [verify(credential.value) for credential in credentials]
        known = _known({claims.subject for claims in verified if claims})
        orgs = _orgs({(claims.subject, claims.org) for claims in verified if claims}, known)
        return [
            _identity(known.get(claims.subject), claims, orgs, credential) if claims else None
            for claims, credential in zip(verified, credentials, strict=True)
        ]

    def verify(self, credentials: Sequence[Credential]) -> list[Identity | None]:
        verified = [verify(credential.value) for credential in credentials]
        known = _known({claims.subject for claims in verified if claims})
        return [
            Identity(user=known[claims.subject], credential=credential, expires_at=claims.expires_at)
            if claims and claims.subject in known
            else None
            for claims, credential in zip(verified, credentials, strict=True)
        ]


class BearerJwt(Jwt):
    """`Authorization: Bearer …`."""

    name = "bearer-jwt"
    carrier = BearerToken()


class QueryJwt(Jwt):
    """`?token=…`."""

    name = "token-jwt"
    carrier = QueryToken()


def _known(subjects: set[str]) -> dict[str, Any]:
    """Return the active users that these subjects stand for."""
    users = access.current().users_of_subjects(subjects)
    return {subject: user for subject, user in users.items() if user.is_active}


Named = tuple[str, str | None]
"""A subject and the org that its token names."""


def _orgs(named: set[Named], users: Mapping[str, Any]) -> dict[Named, str]:
    """Return the keys of the orgs that tokens name, as far as their users are members: one look-up for all of these."""
    project = access.current()
    found = {text: project.find_org(text) for text in {org for _, org in named if org}}
    members = {
        (subject, org): (users[subject], key)
        for subject, org in named
        if subject in users and org and (key := found[org]) is not None
    }
    rights = project.rights_of_many(list(members.values()))
    return {one: key for (one, (_, key)), granted in zip(members.items(), rights, strict=True) if granted is not None}


def _identity(user: Any, claims: Claims, orgs: Mapping[Named, str], credential: Credential) -> Identity | None:
    if user is None:
        return None
    if claims.org is None:
        org = authentication._active_org(user, credential, session=None)
    else:
        org = orgs.get((claims.subject, claims.org))
    return Identity(user=user, org=org, credential=credential, expires_at=claims.expires_at)


# -- verifying ---------------------------------------------------------------------------------------------------------


def configured() -> bool:
    """Say whether this site takes such tokens."""
    chosen = conf.streaming
    return bool((chosen.JWT_SECRET or chosen.JWT_JWKS_URL) and chosen.JWT_ISSUER and chosen.JWT_AUDIENCE)


def verify(token: str) -> Claims | None:
    """Return what a token says, if it is good."""
    try:
        return _claims(_decoded(token))
    except (jwt.PyJWTError, ValueError) as error:  # ValueError: what cannot even be encoded
        logger.info("a JSON Web Token is refused: %s", type(error).__name__)
        return None


def pending(credential: Credential) -> Future[None] | None:
    """Return the fetch that may bring the key by which this token can be verified, if there is one under way.

    Whoever waits for it, for 3 s at most, holds up nobody but himself.
    """
    if not isinstance(authentication.kinds()[credential.kind], Jwt):
        return None
    try:
        header = _header(credential.value)
    except (jwt.PyJWTError, ValueError):
        return None
    keys = _issuers_keys()
    return keys.fetching if keys is not None and _key(header) is None else None


def _decoded(token: str) -> dict[str, Any]:
    key = _key(_header(token))
    if key is None:
        raise jwt.InvalidKeyError("unknown key")
    claims: dict[str, Any] = jwt.decode(
        token,
        key=key,
        algorithms=[key.algorithm_name],
        issuer=conf.streaming.JWT_ISSUER,
        audience=conf.streaming.JWT_AUDIENCE,
        leeway=LEEWAY_SECONDS,
        options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
    )
    return claims


def _header(token: str) -> dict[str, Any]:
    """Return a token's header, unverified; the rest of it is not looked at."""
    if len(token) > MAX_CHARACTERS:
        raise jwt.DecodeError("too long")
    return jwt.get_unverified_header(f"{token.partition('.')[0]}..")


def _key(header: Mapping[str, Any]) -> jwt.PyJWK | None:
    """Return the key for a token with this header, bound to the one algorithm that it is for."""
    match header:
        case {"alg": "HS256"}:
            return _shared(conf.streaming.JWT_SECRET)
        case {"alg": "RS256" | "ES256", "kid": str(kid)}:
            keys = _issuers_keys()
            return keys.find(kid) if keys is not None else None
    return None


@lru_cache(maxsize=1)
def _shared(secret: str) -> jwt.PyJWK | None:
    value = secret.encode()
    return (
        jwt.PyJWK({"kty": "oct", "k": base64url_encode(value).decode()}, "HS256") if len(value) >= KEY_BYTES else None
    )


_published = lru_cache(maxsize=1)(KeySet)
_once = threading.Lock()


def _issuers_keys() -> KeySet | None:
    url = conf.streaming.JWT_JWKS_URL
    with _once:  # or two threads might each make one, and fetch twice
        return _published(url) if url else None


# -- reading -----------------------------------------------------------------------------------------------------------


def _claims(claims: Mapping[str, Any]) -> Claims:
    subject: str = claims["sub"]
    if not _is_name(subject):
        raise jwt.InvalidTokenError("sub is no name")
    return Claims(subject=subject, org=_org(claims, conf.streaming.JWT_ORG_CLAIM), expires_at=_expiry(claims["exp"]))


def _expiry(exp: Any) -> datetime:
    try:
        at = datetime.fromtimestamp(exp, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise jwt.DecodeError("exp is no moment") from None
    if at <= timezone.now():
        raise jwt.ExpiredSignatureError
    return at


def _org(claims: Mapping[str, Any], path: str) -> str | None:
    """Return the org that a token names, empty where that can be none; None where it names none at all.

    `path` is the name of a claim, or leads through nested ones, as `o.id` does.
    """
    if not path:
        return None
    found: Any = claims
    for name in [path] if path in claims else path.split("."):
        if not isinstance(found, Mapping):
            return ""
        found = found.get(name)
        if found is None or found == "":
            return None
    return found if isinstance(found, str) and _is_name(found) else ""


def _is_name(text: str) -> bool:
    """Say whether a database can be asked for this text: PostgreSQL cannot be for every one."""
    return text.isprintable() and 0 < len(text) <= MAX_NAME
