from __future__ import annotations

import re
from typing import Any

import pytest

from streaming.asgi.exchange import Exchange
from streaming.core.errors import Refused
from tests.streaming.asgi.world import PATH, World

VARY = "Authorization, Cookie, Origin"


def exchange(*, headers: dict[str, str] | None = None, **scope: Any) -> Exchange:
    pairs = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Exchange({"headers": pairs, **scope}, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "address"),
    [
        ((), "192.0.2.9", "198.51.100.1", "192.0.2.9"),
        (("192.0.2.0/24",), "192.0.2.9", "198.51.100.1", "198.51.100.1"),
        (("192.0.2.9",), "192.0.2.9", "203.0.113.5, 198.51.100.1", "198.51.100.1"),
        (("192.0.2.9", "198.51.100.1"), "192.0.2.9", "203.0.113.5, 198.51.100.1", "203.0.113.5"),
        (("192.0.2.9",), "192.0.2.9", "", "192.0.2.9"),
        (("192.0.2.9",), "192.0.2.8", "203.0.113.5", "192.0.2.8"),
        (("unix",), "", "203.0.113.5", "203.0.113.5"),
        (("192.0.2.9",), "", "203.0.113.5", ""),
        (("192.0.2.9",), "not an address", "203.0.113.5", "not an address"),
    ],
)
def test_the_address_is_as_far_as_trusted_proxies_tell_it(
    settings: Any, trusted: tuple[str, ...], peer: str, forwarded: str, address: str
) -> None:
    settings.STREAMING = {**settings.STREAMING, "TRUSTED_PROXIES": trusted}
    made = exchange(headers={"x-forwarded-for": forwarded} if forwarded else {}, client=(peer, 1))
    assert made.address == address
    assert exchange(client=None).address == ""


def test_the_last_value_of_a_parameter_counts() -> None:
    assert exchange(query_string=b"types=a&types=b").parameter("types") == "b"
    assert exchange(query_string=b"a=%C3%A4+b").parameter("a") == "ä b"
    assert exchange().parameter("types", "none") == "none"


def test_a_query_of_too_many_parameters_is_malformed() -> None:
    with pytest.raises(Refused) as caught:
        _ = exchange(query_string=b"&".join(b"a=1" for _ in range(2000))).query
    assert caught.value.status == 400


async def test_the_headers_of_a_stream(world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor, headers={"X-Request-ID": "my-request.1_2"})
    assert wire.headers == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
        "vary": VARY,
        "x-request-id": "my-request.1_2",
    }


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", "ä", "a,b", "<script>"])
async def test_a_request_id_that_is_not_one_is_replaced(world: World, given: str) -> None:
    wire = await world.wire(headers={"X-Request-ID": given}).answered()
    assert re.fullmatch(r"[0-9a-f]{32}", wire.headers["x-request-id"])
    assert wire.error["requestId"] == wire.headers["x-request-id"]


async def test_a_refusal_is_the_envelope(world: World) -> None:
    wire = await world.wire(headers={"X-Request-ID": "r1"}).answered()
    assert wire.status == 401
    assert wire.error == {
        "code": "unauthenticated",
        "message": "Sign in, or send a valid token.",
        "requestId": "r1",
    }
    assert wire.headers == {
        "content-type": "application/json",
        "content-length": str(len(wire.body)),
        "cache-control": "no-store",
        "www-authenticate": "Bearer",
        "vary": VARY,
        "x-request-id": "r1",
    }


async def test_head_answers_like_get_without_opening(world: World) -> None:
    visitor = await world.visitor()
    wire = await world.wire(visitor=visitor, method="HEAD").answered()
    assert (wire.status, wire.body) == (200, b"")
    assert wire.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert world.process.sessions == set()
    assert world.process.limits.total == 0
    bad = await world.wire(method="HEAD").answered()
    assert (bad.status, bad.body) == (401, b"")
    assert int(bad.headers["content-length"]) > 0


LISTED = "https://app.example"


@pytest.mark.parametrize("origin", [LISTED, "https://evil.example", "https://app.example.evil.example", "null", ""])
async def test_a_preflight_names_listed_origins_only(world: World, origin: str) -> None:
    world.configure(STREAM_ALLOWED_ORIGINS=(LISTED,))
    wire = await world.wire(method="OPTIONS", headers={"Origin": origin} if origin else {}).answered()
    assert (wire.status, wire.body) == (204, b"")
    assert wire.headers["allow"] == "GET, HEAD, OPTIONS"
    assert "content-length" not in wire.headers, "RFC 9110, 8.6: never with 204"
    granted = {name: value for name, value in wire.headers.items() if name.startswith("access-control")}
    if origin != LISTED:
        assert granted == {}
        return
    assert granted == {
        "access-control-allow-origin": LISTED,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET, HEAD, OPTIONS",
        "access-control-allow-headers": "Authorization, Last-Event-ID, X-Request-ID, Cache-Control",
        "access-control-expose-headers": "X-Request-ID, Retry-After",
        "access-control-max-age": "600",
    }


async def test_streams_and_refusals_name_a_listed_origin_and_never_a_stranger(world: World) -> None:
    world.configure(STREAM_ALLOWED_ORIGINS=(LISTED,))
    visitor = await world.visitor()
    for origin, allowed in ((LISTED, LISTED), ("https://evil.example", None)):
        for wire in (
            await world.open(visitor, headers={"Origin": origin}),
            await world.wire(headers={"Origin": origin}).answered(),
            await world.wire(PATH + "/poll", visitor=visitor, headers={"Origin": origin}).answered(),
        ):
            assert wire.headers.get("access-control-allow-origin") == allowed
            assert wire.headers["vary"] == VARY


async def test_an_origin_is_never_taken_for_listed_when_none_is(world: World) -> None:
    world.configure(STREAM_ALLOWED_ORIGINS=("",))
    wire = await world.wire(method="OPTIONS").answered()
    assert "access-control-allow-origin" not in wire.headers
