"""Which page may use a user's cookie: `Origin` x `Sec-Fetch-Site` x credential x transport, over real sockets."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.acceptance.house import LISTED, House
from tests.issuer import shared
from tests.security.conftest import Place

pytestmark = pytest.mark.servers

PATHS = ("/v1/stream", "/v1/stream/poll", "/v1/events", "/v1/events/1")
SITES = (None, "same-origin", "none", "same-site", "cross-site", "", "Same-Origin", "same-origin, none", "x\xfc")
CREDENTIALS = ("cookie", "bearer", "query", "jwt", "cookie and bearer", "nothing")
FOREIGN = (
    "https://evil.example",
    "null",
    "",
    "*",
    f"{LISTED}.evil.example",
    f"{LISTED}:8443",
    f"{LISTED}/",
    LISTED.upper(),
    LISTED.replace("https", "http"),
    f"https://evil.example, {LISTED}",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.1",
    "\xfc",
)


def allowed(origin: str | None, site: str | None, host: str) -> bool:
    """Say whether a request that lives by its cookie is let in: what the protocol says, in other words."""
    if origin == LISTED:
        return True
    if site is not None:
        return site in ("same-origin", "none")
    return origin in (None, f"http://{host}", f"https://{host}")


async def credentials(place: Place) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Return headers and query of each kind of credential of one user."""
    owner = await place.house.owner()
    await place.house.clerk.emit(org=owner.org)
    cookie = {"Cookie": await place.house.clerk.sign_in(user=owner.user)}
    return {
        "cookie": (cookie, {}),
        "bearer": (owner.headers, {}),
        "query": ({}, {"token": owner.token}),
        "jwt": ({"Authorization": f"Bearer {shared(owner.user)}"}, {}),
        "cookie and bearer": ({**cookie, **owner.headers}, {}),
        "nothing": ({}, {}),
    }


async def test_a_cookie_counts_only_from_our_own_and_from_listed_pages(place: Place) -> None:
    house = place.house
    host = f"127.0.0.1:{house.server.port}"
    known = await credentials(place)
    origins = (None, f"http://{host}", f"https://{host}", LISTED, *FOREIGN)
    wrong, asked = [], 0
    cases = [*itertools.product(["cookie"], PATHS), *itertools.product(CREDENTIALS[1:], PATHS[:1])]
    for origin, site, (name, path) in itertools.product(origins, SITES, cases):
        headers, query = known[name]
        page = {key: value for key, value in (("Origin", origin), ("Sec-Fetch-Site", site)) if value is not None}
        async with house.open(path=path, headers={**headers, **page}, **query) as stream:
            asked += 1
            expected = 401 if name == "nothing" else 200
            if name == "cookie" and not allowed(origin, site, host):
                expected = 403
            cors = stream.headers.get("access-control-allow-origin")
            with_credentials = stream.headers.get("access-control-allow-credentials")
            told = (LISTED, "true") if origin == LISTED else (None, None)
            if (stream.status, cors, with_credentials) != (expected, *told):
                wrong.append((origin, site, name, path, stream.status, cors, with_credentials))
            assert "origin" in stream.headers["vary"].lower()
    print(f"{house.kind}: {asked} requests, {len(wrong)} wrong")
    assert asked == len(origins) * len(SITES) * (len(PATHS) + len(CREDENTIALS) - 1)
    assert wrong == [], wrong[:10]


async def test_a_preflight_is_answered_for_listed_pages_alone(house: House) -> None:
    for origin in (LISTED, *FOREIGN):
        asked = {"Origin": origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-evil"}
        async with house.open(method="OPTIONS", headers=asked) as answered:
            told = {key: value for key, value in answered.headers.items() if key.startswith("access-control-")}
            assert answered.status == 204
        if origin != LISTED:
            assert told == {}, origin
            continue
        assert told["access-control-allow-origin"] == LISTED
        assert told["access-control-allow-headers"] == "Authorization, Last-Event-ID, X-Request-ID, Cache-Control"


@pytest.mark.parametrize("page", [{}, {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}])
async def test_a_cookie_alone_writes_nothing_whatever_page_it_comes_from(house: House, page: dict[str, Any]) -> None:
    owner = await house.owner()
    cookie = {"Cookie": await house.clerk.sign_in(user=owner.user), "Accept": "*/*", "Content-Length": "0"}
    paths = [
        "/v1/vendors",
        "/v1/runs",
        "/v1/policies",
        *(f"/v1/changes/chg_1/{step}" for step in ("acknowledge", "start")),
    ]
    for path in paths:
        async with house.open(path=path, method="POST", headers={**cookie, **page}) as answered:
            error = (await answered.json())["error"]
            assert (answered.status, error["code"]) == (403, "forbidden"), path
            assert "access-control-allow-origin" not in answered.headers
