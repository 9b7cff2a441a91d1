"""Tokens that nobody may take, by what is wrong with them: each a function of the user whom the attacker would be.

They are made for a site that takes `tests.issuer`'s tokens, both those of its secret and those of its keys; each is as
good as it can be but for the one thing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization

from tests.issuer import AUDIENCE, NAME, SECRET, assembled, claims, encoded, private_key, published, shared, signed

Attack = Callable[[str], str]

BODY = {"kid": "rsa-1", "alg": "RS256"}


def public_pem() -> bytes:
    public = private_key("rsa-1").public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def hmac_by(secret: bytes, header: dict[str, Any], payload: Any) -> str:
    """Sign by HMAC with any secret, also one that a library refuses."""
    text = assembled(header, payload).rpartition(".")[0]
    return f"{text}.{encoded(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def cut_signature(token: str) -> str:
    return token.rpartition(".")[0] + "."


def with_payload_of(token: str, other: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{other.split('.')[1]}.{signature}"


ATTACKS: dict[str, Attack] = {
    "empty": lambda sub: "",
    "dots": lambda sub: "..",
    "one part": lambda sub: "abc",
    "five parts": lambda sub: "a.b.c.d.e",
    "a NUL": lambda sub: "a\0.b.c",
    "a surrogate": lambda sub: "\ud800.b.c",
    "not ASCII": lambda sub: "é.ü.ß",
    "too long": lambda sub: shared(sub, filler="x" * 9_000),
    "deep header": lambda sub: assembled(b"[" * 4_000, {}),
    "deep payload": lambda sub: hmac_by(SECRET.encode(), {"alg": "HS256"}, b"[" * 4_000),
    "a list as payload": lambda sub: hmac_by(SECRET.encode(), {"alg": "HS256"}, [claims(sub)]),
    "huge numbers": lambda sub: hmac_by(SECRET.encode(), {"alg": "HS256"}, b'{"exp":' + b"9" * 5_000 + b"}"),
    "none": lambda sub: assembled({"alg": "none"}, claims(sub)),
    "None": lambda sub: assembled({"alg": "None"}, claims(sub)),
    "none with a kid": lambda sub: assembled({"alg": "none", "kid": "rsa-1"}, claims(sub)),
    "no alg": lambda sub: assembled({"kid": "rsa-1"}, claims(sub)),
    "alg a list": lambda sub: assembled({"alg": ["HS256"], "kid": "rsa-1"}, claims(sub)),
    "no signature": lambda sub: cut_signature(shared(sub)),
    "a signature of zeros": lambda sub: f"{cut_signature(signed(sub, kid='ec-1'))}{encoded(bytes(64))}",
    "another's payload": lambda sub: with_payload_of(shared("x"), shared(sub)),
    "another secret": lambda sub: shared(sub, secret="b" * 40),
    "an empty secret": lambda sub: hmac_by(b"", {"alg": "HS256"}, claims(sub)),
    "HS384": lambda sub: jwt.encode(claims(sub), "c" * 48, "HS384"),
    "a public key as a secret": lambda sub: hmac_by(public_pem(), {"alg": "HS256"}, claims(sub)),
    "the same with its kid": lambda sub: hmac_by(public_pem(), {**BODY, "alg": "HS256"}, claims(sub)),
    "a public key's number as a secret": lambda sub: hmac_by(
        str(private_key("rsa-1").public_key().public_numbers().n).encode(), {**BODY, "alg": "HS256"}, claims(sub)
    ),
    "HS256 said to be RS256": lambda sub: hmac_by(SECRET.encode(), BODY, claims(sub)),
    "RS256 said to be HS256": lambda sub: signed(sub).replace(
        signed(sub).split(".")[0], encoded(b'{"alg":"HS256","kid":"rsa-1"}')
    ),
    "an RSA key said to be EC's": lambda sub: signed(sub, kid="ec-1", header={"kid": "rsa-1"}),
    "an EC key said to be RSA's": lambda sub: signed(sub, kid="rsa-1", header={"kid": "ec-1"}),
    "RS512 by the same key": lambda sub: jwt.encode(
        claims(sub), private_key("rsa-1"), "RS512", headers={"kid": "rsa-1"}
    ),
    "PS256 by the same key": lambda sub: jwt.encode(
        claims(sub), private_key("rsa-1"), "PS256", headers={"kid": "rsa-1"}
    ),
    "a stranger's key with our kid": lambda sub: signed(sub, kid="rsa-9", header={"kid": "rsa-1"}),
    "a stranger's key, in the header": lambda sub: signed(sub, kid="rsa-9", header={"jwk": published("rsa-9")}),
    "an unknown kid": lambda sub: signed(sub, kid="rsa-9"),
    "no kid": lambda sub: jwt.encode(claims(sub), private_key("rsa-1"), "RS256"),
    "a kid that is a path": lambda sub: signed(sub, header={"kid": "../../dev/null"}),
    "critical and unknown": lambda sub: signed(sub, header={"crit": ["exp"]}),
    "detached": lambda sub: hmac_by(SECRET.encode(), {"alg": "HS256", "b64": False, "crit": ["b64"]}, claims(sub)),
    "wrong audience": lambda sub: shared(sub, aud="other"),
    "audience in other letters": lambda sub: shared(sub, aud=AUDIENCE.upper()),
    "audience of numbers": lambda sub: shared(sub, aud=[1]),
    "no audience": lambda sub: shared(sub, aud=None),
    "wrong issuer": lambda sub: shared(sub, iss="https://issuer.example.evil"),
    "issuer as a list": lambda sub: hmac_by(SECRET.encode(), {"alg": "HS256"}, claims(sub, iss=[NAME])),
    "no issuer": lambda sub: shared(sub, iss=None),
    "expired": lambda sub: shared(sub, exp=int(time.time()) - 1),
    "expires now": lambda sub: shared(sub, exp=int(time.time())),
    "no exp": lambda sub: shared(sub, exp=None),
    "exp as text": lambda sub: shared(sub, exp=str(int(time.time()) + 300)),
    "exp true": lambda sub: shared(sub, exp=True),
    "exp beyond all calendars": lambda sub: shared(sub, exp=10**18),
    "exp endless": lambda sub: hmac_by(
        SECRET.encode(), {"alg": "HS256"}, assembled_claims(sub).replace(b'"EXP"', b"1e999")
    ),
    "exp no number": lambda sub: hmac_by(
        SECRET.encode(), {"alg": "HS256"}, assembled_claims(sub).replace(b'"EXP"', b"NaN")
    ),
    "not yet": lambda sub: shared(sub, nbf=int(time.time()) + 60),
    "issued in the future": lambda sub: shared(sub, iat=int(time.time()) + 60),
    "nbf as a list": lambda sub: hmac_by(SECRET.encode(), {"alg": "HS256"}, claims(sub, nbf=[])),
    "no subject": lambda sub: shared(sub, sub=None),
    "an empty subject": lambda sub: shared(""),
    "an unknown subject": lambda sub: shared("usr_unknown"),
    "a subject with NUL": lambda sub: shared(f"{sub}\0"),
    "a surrogate as subject": lambda sub: shared("\ud800"),
    "a long subject": lambda sub: shared(sub + "x" * 300),
    "a number as subject": lambda sub: hmac_by(SECRET.encode(), {"alg": "HS256"}, claims(sub, sub=1)),
    "jti a number": lambda sub: hmac_by(SECRET.encode(), {"alg": "HS256"}, claims(sub, jti=1)),
}


def assembled_claims(sub: str) -> bytes:
    return json.dumps(claims(sub, exp="EXP")).encode()
