"""Tokens of both kinds, good and bad, wherever a client may put them: in no log, on no error page, in no traceback."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.acceptance.house import House, Member
from tests.issuer import SECRET, issuer, shared, signed
from tests.security.conftest import Place, trusting

pytestmark = pytest.mark.servers

PATHS = ("/v1/stream", "/v1/stream/", "/v1/stream/poll", "/v1/events", "/v1/events/1", "/v1/vendors", "/nowhere", "/")
CARRIED = (
    "token={}",
    "x=1&token={}",
    "%74oken={}",
    "TOKEN={}",
    "ticket={}",
    "org={}",
    "types={}",
    "lastEventId={}",
    "{}",
)


async def tokens(house: House, owner: Member) -> dict[str, str]:
    return {
        "API token": owner.token,
        "expired API token": await house.clerk.token(user=owner.user, org=owner.org, seconds=-1),
        "unknown API token": "rl_" + "neverIssued-_0123456789abcdefghijkl",
        "JWT by secret": shared(owner.user),
        "JWT by key": signed(owner.user),
        "expired JWT": signed(owner.user, exp=int(time.time()) - 5),
        "JWT of a stranger": signed(owner.user, kid="rsa-9"),
    }


def requests(secret: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield method, headers and target of every way in which a client may send a token."""
    for path in PATHS:
        yield "HEAD" if path.startswith("/v1/stream") else "GET", {"Authorization": f"Bearer {secret}"}, path
        yield "POST", {"Authorization": f"bearer  {secret}"}, path
        yield "GET", {"Cookie": f"sessionid={secret}", "Accept": "text/html"}, path
        for form in CARRIED:
            yield "HEAD" if path.startswith("/v1/stream") else "GET", {}, f"{path}?{form.format(quote(secret))}"
    yield "GET", {}, f"/{secret}"
    yield "GET", {}, f"/v1/changes/{secret}"
    yield "GET", {"Host": f"{secret}.example"}, "/v1/vendors"


async def send_all(house: House, secret: str) -> str:
    """Send a token in every way and return all that came back, but the requests' own addresses."""
    told = []
    async with httpx.AsyncClient(base_url=house.server.url, timeout=10, trust_env=False) as client:
        for method, headers, target in requests(secret):
            answered = await client.request(method, target, headers=headers)
            if answered.is_redirect:  # back to the sign-in page, with the address that was asked for in its own
                await client.get(answered.headers["location"])
            told.append(
                answered.text + str({key: value for key, value in answered.headers.items() if key != "location"})
            )
    return "\n".join(told)


def parts(name: str, secret: str) -> list[str]:
    """Return what must not be found of a token: for a JWT also each half of what is secret of it."""
    return [secret, secret[3:24]] if "API" in name else [secret, secret.rpartition(".")[2], secret.rpartition(".")[0]]


async def unseen(house: House, secrets: dict[str, str]) -> None:
    pages = {name: await send_all(house, secret) for name, secret in secrets.items()}
    log = house.server.log()
    for name, secret in secrets.items():
        for part in parts(name, secret):
            assert part not in pages[name], f"{name} is on a page: {around(pages[name], part)}"
            assert part not in log, f"{name} is in the log: {around(log, part)}"
    assert "[redacted]" in log


def around(text: str, part: str) -> str:
    at = text.index(part)
    return text[max(0, at - 80) : at]


async def test_no_token_is_seen_in_a_log_or_an_answer(place: Place) -> None:
    owner = await place.house.owner()
    await unseen(place.house, await tokens(place.house, owner))


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_no_token_is_seen_in_a_traceback_or_on_a_page_for_developers(kind: Any) -> None:
    with issuer() as it, House(kind, env={**trusting(it), "DEBUG": "1"}) as house:
        owner = await house.owner()
        known = await tokens(house, owner)
        secrets = {name: known[name] for name in ("API token", "JWT by key")}
        await asyncio.to_thread(break_tables, house.database_url)
        await unseen(house, secrets)
        log = house.server.log()
        assert "Traceback" in log, "errors were provoked"
        assert "no such table" in log
        assert SECRET not in log


def break_tables(url: str) -> None:
    """Have every look at a member or a log fail, behind the server's back."""
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        for table in ("workspaces_membership", "streaming_head"):
            connection.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
        connection.commit()
