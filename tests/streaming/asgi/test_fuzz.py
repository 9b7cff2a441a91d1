"""Random requests: whatever they say, never a 5xx, never another org's event, always the envelope."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any
from urllib.parse import quote, quote_from_bytes

import orjson
import pytest
from django.conf import settings as django_settings

from tests.streaming.asgi.wire import Wire
from tests.streaming.asgi.world import Noted, Visitor, World, numbers

pytestmark = pytest.mark.any_database

PIECES = [
    "",
    " ",
    "0",
    "1",
    ".",
    "-",
    "x",
    "\0",
    "\n",
    "\r\n",
    "ü",
    "😀",
    "%",
    "%00",
    "&",
    "=",
    "'",
    '"',
    "/",
    "..",
    "9" * 30,
]
SEED = 20_261


class Fuzz:
    def __init__(self, seed: int, visitor: Visitor, other: Visitor, cursors: list[str]) -> None:
        self.random = random.Random(seed)
        self.visitor = visitor
        self.other = other
        self.cursors = cursors

    def text(self) -> str:
        return "".join(self.random.choice(PIECES) for _ in range(self.random.randint(0, 6)))

    def raw(self) -> str:
        return quote_from_bytes(self.random.randbytes(self.random.randint(0, 30)))

    def cursor(self) -> str:
        """Return a cursor: good, of another org, or with a part exchanged."""
        parts = self.random.choice(self.cursors).split(".")
        if self.random.random() < 0.7:
            parts[self.random.randrange(3)] = self.random.choice(
                [self.text(), "0", "-1", "1e3", "٣", "f" * 8, str(self.random.randrange(10**18)), "0" * 16]
            )
        return ".".join(parts)

    def header_value(self, text: str) -> str:
        clean = "".join(c for c in text if c not in "\r\n\0")  # no server lets these into a header
        return clean.encode("utf-8").decode("latin-1")

    def value(self, name: str) -> str:
        known = {
            "lastEventId": self.cursor,
            "after": self.cursor,
            "token": lambda: self.random.choice([self.visitor.token[:-1], self.other.token + "x", self.text()]),
            "org": lambda: self.random.choice([self.other.org, self.visitor.org, self.text()]),
            "types": lambda: self.random.choice(["test.noted", "test.whispered,test.noted", self.text()]),
            "limit": lambda: str(self.random.randint(-5, 600)),
            "wait": lambda: "0",
        }
        return known.get(name, self.text)() if self.random.random() < 0.8 else self.text()

    def query(self) -> str:
        names = ["lastEventId", "last_event_id", "after", "token", "org", "types", "limit", "wait", "heartbeat"]
        names += ["connection", "refusal", "ticket", self.text()]
        chosen = self.random.sample(names, self.random.randint(0, 4))
        pairs = [f"{quote(name, safe='')}={quote(self.value(name), safe='')}" for name in chosen]
        return "&".join(pairs + ([self.raw()] if self.random.random() < 0.1 else []))

    def headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        if self.random.random() < 0.6:
            headers["Authorization"] = f"Bearer {self.visitor.token}"
        elif self.random.random() < 0.5:
            headers["Authorization"] = self.header_value(self.random.choice(["Bearer ", "Basic ", ""]) + self.text())
        for name in ("Cookie", "Origin", "X-Request-ID", "X-User-ID", "X-Forwarded-For", "Sec-Fetch-Site"):
            if self.random.random() < 0.15:
                headers[name] = self.header_value(self.text())
        if self.random.random() < 0.1:
            headers["Cookie"] = self.header_value(f"{django_settings.SESSION_COOKIE_NAME}={self.text()}")
        if self.random.random() < 0.1:
            headers["X-User-ID"] = self.visitor.user.username
        if self.random.random() < 0.5:
            headers["Last-Event-ID"] = self.header_value(self.cursor())
        return headers

    def path(self) -> str:
        sequence = self.random.choice([str(self.random.randint(-1, 30)), quote(self.text().replace("/", ""), safe="")])
        return self.random.choice(
            ["/test/stream", "/test/stream/", "/test/stream/poll", "/test/events", f"/test/events/{sequence}"]
        )

    def method(self) -> str:
        return self.random.choice(["GET"] * 12 + ["HEAD", "OPTIONS", "POST", "DELETE", "X"])


def check(wire: Wire, said: str) -> None:
    assert wire.status < 500, said
    assert b"theirs" not in wire.body, said
    assert wire.headers["vary"] == "Authorization, Cookie, Origin", said
    assert wire.headers["x-request-id"], said
    assert "access-control-allow-origin" not in wire.headers, said
    if wire.status >= 400 and wire.scope["method"] != "HEAD":
        error = orjson.loads(wire.body)["error"]
        assert {"code", "message", "requestId"} <= set(error) <= {"code", "message", "requestId", "details"}, said
        assert error["requestId"] == wire.headers["x-request-id"], said


async def test_three_thousand_random_requests_get_nothing_that_is_not_theirs(world: World) -> None:
    world.configure(STREAM_MAX_PER_USER=0, SIMPLE_MODE=True)
    mine, theirs = await world.visitor(), await world.visitor()
    await world.emit(mine.org, *(Noted(number=n, text="mine") for n in range(20)))
    await world.emit(theirs.org, *(Noted(number=n, text="theirs") for n in range(20)))
    await world.reached(mine.org, 20)
    await world.reached(theirs.org, 20)
    cursors = [str(cursor) for org in (mine.org, theirs.org) for cursor in await world.cursors(org)]
    fuzz = Fuzz(SEED, mine, theirs, cursors)
    seen: dict[int, int] = {}
    for number in range(3000):
        told: dict[str, Any] = {"method": fuzz.method(), "headers": fuzz.headers(), "query": fuzz.query()}
        path = fuzz.path()
        said = f"seed {SEED}, request {number}: {path} {told}"
        wire = Wire(world.application, path, **told)
        await wire.start()
        if wire.headers.get("content-type", "").startswith("text/event-stream") and told["method"] == "GET":
            await wire.next()
            if not wire.ended:
                await wire.next(event="stream.caught_up")
        await wire.leave()
        check(wire, said)
        seen[wire.status] = seen.get(wire.status, 0) + 1
    assert {200, 204, 400, 401, 403, 404, 405, 410} <= set(seen), seen
    assert seen[200] >= 300, seen
    assert world.process.sessions == set()
    assert world.process.limits.total == 0


async def cursors_of_all_kinds(world: World, count: int) -> None:
    """Ask with so many cursors, good and damaged, our own and another org's, by stream and by poll."""
    world.configure(STREAM_MAX_PER_USER=0)
    mine, theirs = await world.visitor(), await world.visitor()
    for visitor, text in ((mine, "mine"), (theirs, "theirs")):
        await world.emit(visitor.org, *(Noted(number=n, text=text) for n in range(20)))
        await world.reached(visitor.org, 20)
    cursors = {org: [str(one) for one in await world.cursors(org)] for org in (mine.org, theirs.org)}
    fuzz = Fuzz(SEED, mine, theirs, [*cursors[mine.org], *cursors[theirs.org]])
    signed_in = {"Authorization": f"Bearer {mine.token}"}
    seen: Counter[str] = Counter()
    for number in range(count):
        cursor = fuzz.header_value(fuzz.cursor())
        by = fuzz.random.choice(["header", "query", "poll"])
        path, headers, query = {
            "header": ("/test/stream", {"Last-Event-ID": cursor}, ""),
            "query": ("/test/stream", {}, f"lastEventId={quote(cursor, safe='', encoding='latin-1')}"),
            "poll": ("/test/stream/poll", {}, f"after={quote(cursor, safe='', encoding='latin-1')}"),
        }[by]
        said = f"seed {SEED}, cursor {number} by {by}: {cursor!r}"
        wire = Wire(world.application, path, headers={**signed_in, **headers}, query=query)
        await wire.start()
        if by != "poll":
            opened = await wire.next(event="stream.open")
            seen[opened.json["resume"]] += 1
            await wire.next(event="stream.caught_up")
            replayed = list(numbers(wire.told)) if opened.json["resume"] == "ok" else []
            assert replayed == list(range(20 - len(replayed), 20)), said
            assert (opened.json["resume"] == "ok") == (cursor.strip() in cursors[mine.org]), said
        await wire.leave()
        check(wire, said)
        if by == "poll":
            seen[str(wire.status)] += 1
            assert wire.status in (200, 400, 410), said
    print(f"{count} cursors: {dict(seen)}")
    assert {"ok", "reset", "malformed", "200", "400", "410"} <= set(seen), seen


async def test_five_hundred_cursors_get_nothing_that_is_not_theirs(world: World) -> None:
    await cursors_of_all_kinds(world, 500)


@pytest.mark.long
@pytest.mark.timeout(1_200)
async def test_100_000_cursors_get_nothing_that_is_not_theirs(world: World) -> None:
    await cursors_of_all_kinds(world, 100_000)
