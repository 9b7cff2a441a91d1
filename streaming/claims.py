"""What a JSON Web Token says, once it is verified: HS256 by a shared secret, RS256 and ES256 by its issuer's keys.

A token must be signed, for this audience, by this issuer, say when it expires and whom it stands for; of any other
nothing is told but that it is refused. What decides on the algorithm is the key and never the token: a public key
verifies no HMAC. What a token says about where its key is to be had (`jku`, `x5u`, `jwk`, `x5c`) is not read.

`exp` is taken strictly, because that is when a stream ends; `nbf` and `iat` may lie 10 s ahead of this clock.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import jwt
from django.utils import timezone
from jwt.utils import base64url_encode

from streaming import conf
from streaming.jwks import KeySet

logger = logging.getLogger("streaming.claims")

LEEWAY_SECONDS = 10
MAX_CHARACTERS = 8_192
MAX_NAME = 255
KEY_BYTES = 32
"""The shortest secret for HS256: as long as what it makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a verified token says; `org` as its issuer knows it, None where it names none."""

    subject: str
    org: str | None
    expires_at: datetime


class Rules(NamedTuple):
    """What a token must say, and where it names the org."""

    issuer: str
    audience: str
    org_claim: str


def configured() -> bool:
    """Say whether this site takes such tokens."""
    chosen = conf.streaming
    return bool((chosen.JWT_SECRET or chosen.JWT_JWKS_URL) and chosen.JWT_ISSUER and chosen.JWT_AUDIENCE)


def read(token: str) -> Claims | None:
    """Return what a token says, if it is good now."""
    try:
        found = _verified(token, _key(_header(token)), _rules())
        if found.expires_at <= timezone.now():
            raise jwt.ExpiredSignatureError
    except (jwt.PyJWTError, ValueError) as error:  # ValueError: what cannot even be encoded
        logger.info("a JSON Web Token is refused: %s", type(error).__name__)
        return None
    return found


def pending(token: str) -> Future[None] | None:
    """Return the fetch under way that may bring the key of a token, where it is missing."""
    kid, keys = _kid(token), _issuers_keys()
    return keys.fetching if kid is not None and keys is not None and keys.find(kid) is None else None


def undecided(token: str) -> bool:
    """Say whether a token can be neither believed nor refused, because its issuer's keys cannot be had."""
    kid, keys = _kid(token), _issuers_keys()
    return kid is not None and keys is not None and not keys.usable


def _kid(token: str) -> str | None:
    """Return the id of the issuer's key that a token says to be signed with, if it does."""
    try:
        header = _header(token)
    except (jwt.PyJWTError, ValueError):
        return None
    match header:
        case {"alg": "RS256" | "ES256", "kid": str(kid)}:
            return kid
    return None


def _rules() -> Rules:
    chosen = conf.streaming
    return Rules(chosen.JWT_ISSUER, chosen.JWT_AUDIENCE, chosen.JWT_ORG_CLAIM)


@lru_cache(maxsize=10_000)  # an open stream's token is read every few seconds
def _verified(token: str, key: jwt.PyJWK | None, rules: Rules) -> Claims:
    """Return what a token says that is signed with this key and lived already; raises for any other."""
    if key is None:
        raise jwt.InvalidKeyError("unknown key")
    said = jwt.decode(
        token,
        key=key,
        algorithms=[key.algorithm_name],
        issuer=rules.issuer,
        audience=rules.audience,
        leeway=LEEWAY_SECONDS,
        options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
    )
    if not _is_name(said["sub"]):
        raise jwt.InvalidTokenError("sub is no name")
    return Claims(subject=said["sub"], org=_org(said, rules.org_claim), expires_at=_expiry(said["exp"]))


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
    if len(value) < KEY_BYTES:
        return None
    return jwt.PyJWK({"kty": "oct", "k": base64url_encode(value).decode()}, "HS256")


_published = lru_cache(maxsize=1)(KeySet)
_once = threading.Lock()


def _issuers_keys() -> KeySet | None:
    url = conf.streaming.JWT_JWKS_URL
    with _once:  # or two threads might each make one, and fetch twice
        return _published(url) if url else None


def _expiry(exp: Any) -> datetime:
    try:
        return datetime.fromtimestamp(exp, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise jwt.DecodeError("exp is no moment") from None


def _org(said: Mapping[str, Any], path: str) -> str | None:
    """Return the org that a token names, empty where that can be none; None where it names none at all.

    `path` is the name of a claim, or leads through nested ones, as `o.id` does.
    """
    if not path:
        return None
    found: Any = said
    for name in [path] if path in said else path.split("."):
        if not isinstance(found, Mapping):
            return ""
        found = found.get(name)
        if found is None or found == "":
            return None
    return found if isinstance(found, str) and _is_name(found) else ""


def _is_name(text: str) -> bool:
    """Say whether a database can be asked for this text: PostgreSQL cannot be for every one."""
    return text.isprintable() and 0 < len(text) <= MAX_NAME
