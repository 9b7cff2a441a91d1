from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import OperationalError
from django.utils import timezone

from streaming import log
from streaming.models import Head, LogEntry
from tests.streaming.asgi.wire import Wire
from tests.streaming.asgi.world import PATH, Members, Visitor, World

pytestmark = pytest.mark.any_database

POLL = f"{PATH}/poll"


async def cookie(visitor: Visitor) -> dict[str, str]:
    """Sign a user in and return the session's cookie header."""
    store = import_module(django_settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(visitor.user.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = visitor.user.get_session_auth_hash()
    await sync_to_async(store.save)()
    return {"Cookie": f"theme=dark; {django_settings.SESSION_COOKIE_NAME}={store.session_key}"}


# -- the order of refusals ---------------------------------------------------------------------------------------------

Arrange = Callable[[World, dict[str, Any]], Awaitable[None]]


async def method(world: World, told: dict[str, Any]) -> None:
    told["method"] = "POST"


async def rate(world: World, told: dict[str, Any]) -> None:
    world.configure(STREAM_CONNECTS_PER_SECOND=1)
    told["client"] = ("192.0.2.1", 1)
    world.process.limits.connecting("192.0.2.1")


async def draining(world: World, told: dict[str, Any]) -> None:
    world.process.draining = True


async def stranger(world: World, told: dict[str, Any]) -> None:
    told["headers"]["Authorization"] = "Bearer rl_nobody"


async def switched_off(world: World, told: dict[str, Any]) -> None:
    Members.switched_off.add("test-feed")


async def bad_query(world: World, told: dict[str, Any]) -> None:
    told["query"]["types"] = "no.such"


async def foreign(world: World, told: dict[str, Any]) -> None:
    Members.rights_in.clear()


async def full(world: World, told: dict[str, Any]) -> None:
    world.configure(STREAM_MAX_PER_ORG=1)
    world.process.limits.take(user="another", org=told["org"], address="")


ROWS: list[tuple[Arrange, int, str]] = [
    (method, 405, "method-not-allowed"),
    (rate, 429, "rate-limited"),
    (draining, 503, "stream-unavailable"),
    (stranger, 401, "unauthenticated"),
    (switched_off, 503, "stream-unavailable"),
    (bad_query, 400, "validation-failed"),
    (foreign, 403, "forbidden"),
    (full, 429, "too-many-connections"),
]


async def violating(world: World, *rows: Arrange) -> Wire:
    visitor = await world.visitor()
    told: dict[str, Any] = {"headers": {"Authorization": f"Bearer {visitor.token}"}, "query": {}, "org": visitor.org}
    for arrange in rows:
        await arrange(world, told)
    del told["org"]
    wire = await world.wire(PATH, **told).answered()
    world.process.draining = False
    return wire


@pytest.mark.parametrize(
    ("first", "second"),
    list(itertools.combinations(range(len(ROWS)), 2)),
    ids=lambda index: ROWS[index][0].__name__,
)
async def test_of_two_reasons_the_earlier_row_of_the_table_answers(world: World, first: int, second: int) -> None:
    wire = await violating(world, ROWS[first][0], ROWS[second][0])
    assert (wire.status, wire.error["code"]) == ROWS[first][1:]
    assert set(wire.error) - {"details"} == {"code", "message", "requestId"}
    assert ("retry-after" in wire.headers) == (wire.status in (429, 503) and first != 4)
    assert wire.headers.get("www-authenticate") == ("Bearer" if wire.status == 401 else None)
    assert wire.headers.get("allow") == ("GET, HEAD, OPTIONS" if wire.status == 405 else None)
    assert not world.process.sessions


@pytest.mark.parametrize("index", range(len(ROWS)), ids=lambda index: ROWS[index][0].__name__)
async def test_only_temporary_refusals_are_told_in_band(world: World, index: int) -> None:
    arrange, status, _ = ROWS[index]

    async def in_band(world: World, told: dict[str, Any]) -> None:
        told["query"]["refusal"] = "stream"

    wire = await violating(world, arrange, in_band)
    if status not in (429, 503) or arrange is switched_off:
        assert wire.status == status
        return
    assert (wire.status, wire.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    (closing,) = wire.told
    assert closing.event == "stream.closing"
    assert closing.json == {"reason": "unavailable", "reconnect": True, "retryMs": closing.block.retry}
    assert closing.id is None
    assert wire.ended


async def test_a_full_process_refuses_before_it_asks_who_is_there(world: World) -> None:
    world.configure(STREAM_MAX_PER_PROCESS=1)
    await world.open(await world.visitor())
    wire = await world.wire(headers={"Authorization": "Bearer rl_nobody"}).answered()
    assert (wire.status, wire.error["code"]) == (503, "stream-unavailable")


async def test_a_query_that_cannot_be_read_does_not_hide_that_nobody_signed_in(world: World) -> None:
    many = "&".join("a=1" for _ in range(2000))
    assert (await world.wire(query=many).answered()).status == 401
    wire = await world.wire(query=many, visitor=await world.visitor()).answered()
    assert (wire.status, wire.error["code"]) == (400, "validation-failed")


async def test_a_database_that_is_away_is_503_wherever_it_is_noticed(world: World) -> None:
    visitor = await world.visitor()
    process = world.process

    async def away(*_: object) -> Any:
        raise OperationalError("server closed the connection")

    visit, process.visit = process.visit, away  # type: ignore[method-assign]
    assert (await world.wire(visitor=visitor).answered()).status == 503
    process.visit = visit  # type: ignore[method-assign]
    process.identify = away  # type: ignore[method-assign]
    wire = await world.wire(visitor=visitor).answered()
    assert (wire.status, wire.error["code"]) == (503, "stream-unavailable")
    assert "retry-after" in wire.headers
    in_band = await world.wire(visitor=visitor, query={"refusal": "stream"}).answered()
    assert (in_band.status, in_band.told[0].event) == (200, "stream.closing")
    assert world.process.limits.total == 0


async def test_a_defect_is_500_without_detail(world: World, caplog: pytest.LogCaptureFixture) -> None:
    visitor = await world.visitor()

    async def defect(*_: object) -> Any:
        raise LookupError("a secret detail")

    world.process.visit = defect  # type: ignore[method-assign]
    wire = await world.wire(visitor=visitor).answered()
    assert (wire.status, wire.error["code"]) == (500, "internal")
    assert b"secret" not in wire.body
    assert "a secret detail" in caplog.text


# -- credentials -------------------------------------------------------------------------------------------------------


async def test_the_first_credential_that_is_present_decides(world: World) -> None:
    good = await world.visitor()
    signed_in = await cookie(good)
    bearer = {"Authorization": f"Bearer {good.token}"}
    cases: list[tuple[dict[str, str], dict[str, str], int]] = [
        (bearer, {}, 200),
        ({"Authorization": f"bearer  {good.token} "}, {}, 200),
        ({}, {"token": good.token}, 200),
        (signed_in, {"org": good.org}, 200),
        (bearer, {"token": "bad"}, 200),
        ({"Authorization": "Bearer bad"}, {"token": good.token}, 401),
        ({"Authorization": "Bearer bad", **signed_in}, {}, 401),
        (signed_in, {"token": "bad"}, 401),
        ({"Authorization": "Bearer "}, {"token": good.token}, 200),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, {"token": good.token}, 200),
        ({"Authorization": "Basic dXNlcjpwYXNz", **signed_in}, {"token": " "}, 200),
        ({"Cookie": f"{django_settings.SESSION_COOKIE_NAME}=dead"}, {}, 401),
        ({"Cookie": f"{django_settings.SESSION_COOKIE_NAME}=dead"}, {"token": good.token}, 200),
        ({"X-User-ID": good.user.username}, {}, 401),
        ({"X-User-ID": good.user.username}, {"token": good.token}, 200),
        ({}, {}, 401),
    ]
    for headers, query, status in cases:
        wire = world.wire(headers=headers, query=query, method="HEAD")
        assert (await wire.answered()).status == status, (headers, query)


async def test_every_bad_token_is_answered_alike(world: World) -> None:
    now = timezone.now()
    revoked, expired, inactive = await world.visitor(), await world.visitor(expires_at=now), await world.visitor()
    revoked.row.revoked_at = now - timedelta(hours=1)
    await sync_to_async(revoked.row.save)()
    inactive.user.is_active = False
    await sync_to_async(inactive.user.save)()
    answers = {
        (await world.wire(headers={"X-Request-ID": "r", **headers}, query=query).answered()).body
        for headers, query in (
            *(({"Authorization": f"Bearer {one.token}"}, {}) for one in (revoked, expired, inactive)),
            *(({}, {"token": one.token}) for one in (revoked, expired, inactive)),
            ({"Authorization": "Bearer rl_never-issued"}, {}),
            ({"Authorization": "Bearer ü"}, {}),
            ({}, {}),
        )
    }
    assert len(answers) == 1


async def test_simple_mode_trusts_the_header_and_only_then(world: World) -> None:
    visitor = await world.visitor()
    world.configure(SIMPLE_MODE=True)
    wire = world.wire(headers={"X-User-ID": visitor.user.username}, query={"org": visitor.org}, method="HEAD")
    assert (await wire.answered()).status == 200
    for unknown in ("nobody", "-1", "ü"):
        assert (await world.wire(headers={"X-User-ID": unknown}).answered()).status == 401
    visitor.user.is_active = False
    await sync_to_async(visitor.user.save)()
    assert (await world.wire(headers={"X-User-ID": visitor.user.username}).answered()).status == 401


@pytest.mark.parametrize(
    ("site", "origin", "status"),
    [
        ("same-origin", None, 200),
        ("none", None, 200),
        ("same-site", None, 403),
        ("cross-site", None, 403),
        ("cross-site", "https://evil.example", 403),
        ("cross-site", "https://app.example", 200),
        ("same-site", "https://app.example", 200),
        ("same-origin", "http://testserver.example", 200),
        (None, None, 200),
        (None, "http://testserver.example", 200),
        (None, "https://evil.example", 403),
        (None, "https://app.example", 200),
        (None, "null", 403),
        ("", None, 403),
        ("Same-Origin", None, 403),
    ],
)
async def test_a_cookie_opens_a_stream_only_for_our_own_pages_and_listed_ones(
    world: World, site: str | None, origin: str | None, status: int
) -> None:
    world.configure(STREAM_ALLOWED_ORIGINS=("https://app.example",))
    visitor = await world.visitor()
    page = {"Sec-Fetch-Site": site, "Origin": origin}
    headers = {name: value for name, value in page.items() if value is not None}
    signed_in = headers | await cookie(visitor)
    for path in (PATH, POLL):
        wire = await world.wire(path, headers=signed_in, query={"org": visitor.org}, method="HEAD").answered()
        assert wire.status == status
    token = await world.wire(headers=headers, visitor=visitor, method="HEAD").answered()
    assert token.status == 200, "a token is not added by a browser by itself"


async def test_a_session_user_works_in_the_org_that_he_asks_for_and_no_foreign_one(world: World) -> None:
    visitor, other = await world.visitor(), await world.visitor()
    second = world.org()
    world.grant(visitor.user, second)
    signed_in = await cookie(visitor)
    for org in (visitor.org, second):
        await world.note(org, 1)
        wire = await world.wire(headers=signed_in, query={"org": org}).start()
        opened = await wire.next(event="stream.open")
        assert opened.id == str((await world.head(org)).cursor)
        await wire.leave()
    bodies = set()
    for foreign_org in (other.org, "unknown-org", "org_x", "a" * 40, "x" * 41, "a b", "\0", "ü", "../x", "'"):
        told = {"headers": {**signed_in, "X-Request-ID": "r"}, "query": {"org": foreign_org}}
        for path in (PATH, POLL, "/test/events/1"):
            wire = await world.wire(path, **told).answered()
            assert wire.status == 403, (path, foreign_org)
            bodies.add((wire.body, tuple(sorted(wire.headers.items()))))
    assert len(bodies) == 1, "unknown and foreign alike, byte for byte"


async def test_what_a_stranger_asks_for_leaves_no_trace(world: World) -> None:
    visitor, other = await world.visitor(), await world.visitor()
    signed_in = await cookie(visitor)
    before = await sync_to_async(Head.objects.count)()
    for path in (PATH, POLL, "/test/events/1"):
        for org in ("made-up", other.org):
            assert (await world.wire(path, headers=signed_in, query={"org": org}).answered()).status == 403
    assert await sync_to_async(Head.objects.count)() == before
    assert world.process.hub.orgs == {}
    assert world.process.pump._orgs == set()


async def test_a_session_key_that_no_database_takes_counts_as_absent(world: World) -> None:
    name = django_settings.SESSION_COOKIE_NAME
    for value in ('"a\\000bcdefghij"', '""', "x" * 4000, "%00" * 9, "';--"):
        wire = await world.wire(headers={"Cookie": f"{name}={value}"}).answered()
        assert wire.status == 401, value


async def test_a_user_of_no_org_is_forbidden(world: World) -> None:
    visitor = await world.visitor(rights=None)
    wire = await world.wire(headers=await cookie(visitor)).answered()
    assert (wire.status, wire.error["code"]) == (403, "forbidden")


# -- the query ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lastEventId", "last_event_id", "lastEventID"])
async def test_the_cursor_may_come_by_any_of_its_names_and_the_header_beats_it(world: World, name: str) -> None:
    visitor = await world.visitor()
    cursors = await world.note(visitor.org, 4)
    by_query = await world.open(visitor, query={name: str(cursors[0])})
    assert by_query.told[0].id == str(cursors[0])
    by_header = await world.open(visitor, query={name: str(cursors[0])}, cursor=str(cursors[2]))
    assert by_header.told[0].id == str(cursors[2])
    for worthless in ("", " ", "rubbish"):
        wire = await world.open(visitor, query={name: str(cursors[0])}, cursor=worthless)
        assert wire.told[0].json["resume"] == "malformed", "the query is not tried then"
        assert wire.told[0].id == str(cursors[3])


@pytest.mark.parametrize(
    "query",
    [
        {"types": "no.such"},
        {"types": "test.noted,no.such"},
        {"types": "test.noted,,"},
        {"types": "stream.open"},
        {"heartbeat": "yes"},
        {"refusal": "json"},
        {"connection": "a b"},
        {"connection": "x" * 41},
        {"connection": "ü"},
        {"connection": "a\n"},
    ],
)
async def test_a_query_that_means_nothing_is_400(world: World, query: dict[str, str]) -> None:
    wire = await world.wire(visitor=await world.visitor(), query=query).answered()
    assert (wire.status, wire.error["code"]) == (400, "validation-failed")


async def test_unknown_types_are_named_in_the_details_within_reason(world: World) -> None:
    told = ",".join([f"no.such{n}" for n in range(99)] + ["y" * 5000])
    wire = await world.wire(visitor=await world.visitor(), query={"types": told}).answered()
    assert len(wire.error["details"]["types"]) == 10
    assert len(wire.body) < 2000


@pytest.mark.parametrize("query", ["types=", "types=+", "heartbeat=", "connection=", "refusal=", "unknown=1", "org=x"])
async def test_blank_and_unknown_parameters_change_nothing(world: World, query: str) -> None:
    wire = await world.wire(visitor=await world.visitor(), query=query, method="HEAD").answered()
    assert wire.status == 200


async def test_a_trailing_slash_is_the_same_route(world: World) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 1)
    for path in (PATH, POLL, "/test/events", "/test/events/1"):
        for slash in ("", "/"):
            wire = await world.wire(path + slash, visitor=visitor, method="HEAD").answered()
            assert wire.status == 200, path + slash
    assert log.COLUMNS
    assert await sync_to_async(LogEntry.objects.filter(org=visitor.org).count)() == 1
