"""Random bytes where a client can put them, over real sockets: whatever they are, an answer and never a 5xx."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import Counter
from typing import Any
from urllib.parse import quote_from_bytes

import pytest

from tests.acceptance.house import House, Member
from tests.acceptance.seeds import draw
from tests.attacks import hmac_by
from tests.issuer import AUDIENCE, NAME, SECRET, claims, shared, signed
from tests.security.conftest import Place

pytestmark = pytest.mark.servers

PATHS = ("/v1/events", "/v1/stream/poll", "/v1/events/1", "/v1/vendors", "/v1/changes", "/")
HEADERS = (
    "Host",
    "Origin",
    "Authorization",
    "Cookie",
    "X-Forwarded-For",
    "X-Request-ID",
    "Last-Event-ID",
    "Sec-Fetch-Site",
)
PIECES = (
    b"",
    b" ",
    b"\t",
    b"\0",
    b"\r",
    b"\xff",
    b"\xc3\xbc",
    b"\xed\xa0\x80",
    b".",
    b",",
    b";",
    b"=",
    b"%",
    b"%00",
    b"&",
)
PIECES += (
    b"[",
    b"]",
    b"::1",
    b":",
    b"//",
    b"https://",
    b"null",
    b"127.0.0.1",
    b"9" * 40,
    b"a" * 300,
    b"'",
    b'"',
    b"{}",
    b"..",
)
SCHEMES = (b"Bearer ",) * 8 + (b"bearer\t", b"Basic ", b"", b"Bearer")
VALUES: tuple[Any, ...] = (
    None,
    0,
    -1,
    1e308,
    True,
    "",
    "\0",
    "é",
    [],
    {},
    [{}],
    "9" * 400,
    10**400,
    float("nan"),
    float("inf"),
)


class Sender:
    """Makes requests of one seed and sees to it that each is answered as it should be."""

    def __init__(self, house: House, owner: Member, seed: int) -> None:
        self.house = house
        self.owner = owner
        self.random = random.Random(seed)
        self.good = (shared(owner.user), signed(owner.user), signed(owner.user, kid="ec-1"), owner.token)
        self.seen: Counter[int] = Counter()

    def bytes(self) -> bytes:
        if self.random.random() < 0.3:
            return self.random.randbytes(self.random.randint(0, 40)).replace(b"\n", b"")
        return b"".join(self.random.choice(PIECES) for _ in range(self.random.randint(0, 5)))

    def token(self) -> bytes:
        """Return a good token with some of its bytes exchanged, or a signed one that says anything at all."""
        if self.random.random() < 0.5:
            return self.odd_claims().encode()
        made = bytearray(self.random.choice(self.good).encode())
        for _ in range(self.random.choice((0, 0, 1, 2, 3))):
            at = self.random.randrange(len(made))
            made[at : at + self.random.randint(0, 3)] = self.random.choice((b".", b"=", b"A", b"", self.bytes()))
        return bytes(made).replace(b"\n", b"")

    def odd_claims(self) -> str:
        said = claims(self.owner.user, exp=int(time.time()) + 300)
        for name in self.random.sample(
            ["sub", "iss", "aud", "exp", "nbf", "iat", "jti", "org", "x"], self.random.randint(1, 3)
        ):
            said[name] = self.random.choice([*VALUES, NAME, [AUDIENCE], self.owner.org, int(time.time())])
        header = {
            "alg": "HS256",
            self.random.choice(["kid", "typ", "crit", "b64", "jku", "x"]): self.random.choice(VALUES),
        }
        return hmac_by(SECRET.encode(), json.loads(json.dumps(header)), json.dumps(said).encode())

    def request(self) -> bytes:
        headers = {b"Host": b"127.0.0.1", b"Connection": b"close"}
        if self.random.random() < 0.7:
            headers[b"Authorization"] = self.random.choice(SCHEMES) + self.token()
        for name in self.random.sample(HEADERS, self.random.randint(0, 2)):
            headers[name.encode()] = self.bytes()
        target = self.random.choice(PATHS).encode()
        if self.random.random() < 0.4:
            name = self.random.choice((b"token", b"org", b"after", b"types", b"cursor", b"limit", b"connection"))
            value = self.token() if name == b"token" else self.bytes()
            target += b"?" + name + b"=" + quote_from_bytes(value).encode()
        lines = [b"GET " + target + b" HTTP/1.1", *(name + b": " + value for name, value in headers.items())]
        return b"\r\n".join([*lines, b"", b""])

    async def send(self) -> None:
        request = self.request()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.house.server.port)
        try:
            writer.write(request)
            async with asyncio.timeout(10):
                line = await reader.readline()
                await reader.read()
        except ConnectionError:
            line = b""  # a server may hang up on what is no HTTP
        finally:
            writer.close()
        status = int(line.split()[1]) if line else 0
        self.seen[status] += 1
        assert status < 500, request


async def sent(place: Place, count: int) -> None:
    owner = await place.house.owner()
    await place.house.clerk.emit(org=owner.org, count=3)
    said_before = len(place.house.server.log())
    sender = Sender(place.house, owner, draw("fuzz of headers and tokens"))
    for _ in range(count):
        await sender.send()
    print(f"{place.house.kind}: {count} requests, {dict(sender.seen)}")
    assert {200, 400, 401} <= set(sender.seen), sender.seen
    log = place.house.server.log()[said_before:]
    errors = re.findall(r"^Traceback .*\n(?:\s.*\n)*(\S+):", log, re.MULTILINE)
    # Django tells of a host that is not ours in this way; the answer is a plain 400.
    assert set(errors) <= {"django.core.exceptions.DisallowedHost"}, set(errors)
    assert log.count("Traceback") == len(errors)


async def test_nothing_in_headers_or_tokens_is_answered_by_a_5xx(place: Place) -> None:
    await sent(place, 400)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_nothing_in_headers_or_tokens_is_answered_by_a_5xx_ever(place: Place) -> None:
    await sent(place, 20_000)
