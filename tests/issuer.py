"""An issuer of JSON Web Tokens: keys of its own, a real web server that publishes them, tokens good and bad.

    with issuer() as it:
        it.token("usr_1")                    good for five minutes
        it.token("usr_1", aud="other")       a claim changed; None leaves it out
        it.url                               where its keys are; `it.fetches` counts who has asked

What it answers is `it.answer`, a function of the request; `hold()` has it say nothing until it is released.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.monitoring.scripted_web import Web, answer, running

AUDIENCE = "redline"
NAME = "https://issuer.example"
SECRET = "a-secret-for-tests-that-is-longer-than-32-bytes"
ALGORITHMS = {"rsa": "RS256", "ec": "ES256"}
Answer = Callable[[BaseHTTPRequestHandler], None]


@cache
def private_key(kid: str) -> Any:
    """Return the one key of this id in this run; `rsa…` and `ec…` say of which kind."""
    if kid.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    return ec.generate_private_key(ec.SECP256R1())


def published(kid: str) -> dict[str, Any]:
    """Return the entry of a key set for a key."""
    public = private_key(kid).public_key()
    form = RSAAlgorithm.to_jwk(public) if kid.startswith("rsa") else ECAlgorithm.to_jwk(public)
    return {**json.loads(form), "kid": kid, "use": "sig", "alg": ALGORITHMS[kid.rstrip("0123456789-")]}


def claims(subject: str, **changed: Any) -> dict[str, Any]:
    """Return what a good token says, with changes; None leaves a claim out."""
    now = int(time.time())
    usual = {"sub": subject, "iss": NAME, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 300}
    return {name: value for name, value in {**usual, **changed}.items() if value is not None}


def signed(subject: str, *, kid: str = "rsa-1", header: Mapping[str, Any] | None = None, **changed: Any) -> str:
    """Return a token signed with a key of the issuer."""
    algorithm = ALGORITHMS[kid.rstrip("0123456789-")]
    return jwt.encode(claims(subject, **changed), private_key(kid), algorithm, headers={"kid": kid, **(header or {})})


def shared(
    subject: str, *, secret: str | bytes = SECRET, header: Mapping[str, Any] | None = None, **changed: Any
) -> str:
    """Return a token signed with the shared secret."""
    return jwt.encode(claims(subject, **changed), secret, "HS256", headers=dict(header or {}))


def assembled(header: Any, payload: Any, signature: bytes = b"") -> str:
    """Return three parts of a token that no library would make."""
    return ".".join(
        encoded(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in (header, payload, signature)
    )


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


class Issuer:
    def __init__(self, web: Web) -> None:
        self.web = web
        self.kids = ["rsa-1", "ec-1"]
        self.answer: Answer = self.publish
        self._free = threading.Event()
        self._free.set()
        web.script = self._answer

    @property
    def url(self) -> str:
        return f"{self.web.url}/jwks.json"

    @property
    def fetches(self) -> int:
        return len(self.web.asked)

    def settings(self) -> dict[str, str]:
        """Return how a site is told to take this issuer's tokens."""
        return {"JWT_JWKS_URL": self.url, "JWT_ISSUER": NAME, "JWT_AUDIENCE": AUDIENCE}

    def publish(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.dumps({"keys": [published(kid) for kid in self.kids]}).encode()
        answer(handler, body, Content_Type="application/json")

    def hold(self) -> None:
        """Accept connections and say nothing, until `release`."""
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        self._free.wait(60)
        self.answer(handler)


@contextmanager
def issuer() -> Iterator[Issuer]:
    with running() as web:
        made = Issuer(web)
        try:
            yield made
        finally:
            made.release()
