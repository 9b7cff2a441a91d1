from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import orjson
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from streaming import tickets
from streaming.authentication import BearerToken, Kind
from streaming.models import Ticket
from tests.streaming.asgi.wire import Wire
from tests.streaming.asgi.world import PATH, Noted, Visitor, World

pytestmark = pytest.mark.any_database

DESK = "/v1/stream/tickets"
PAGE = "https://page.example"


async def ask(world: World, visitor: Visitor | None, **told: Any) -> Wire:
    return await world.wire(DESK, visitor=visitor, method="POST", **told).answered()


async def ticket(world: World, visitor: Visitor, **told: Any) -> str:
    wire = await ask(world, visitor, **told)
    assert wire.status == 201, wire.body
    return str(orjson.loads(wire.body)["ticket"])


async def show(world: World, secret: str, *, path: str = PATH, **told: Any) -> Wire:
    query = {"ticket": secret, **told.pop("query", {})}
    return await world.wire(path, query=query, **told).start()


async def test_a_ticket_is_told_once_and_kept_by_nobody(world: World) -> None:
    visitor = await world.visitor()
    before = timezone.now()
    wire = await ask(world, visitor)
    assert (wire.status, wire.headers["cache-control"]) == (201, "no-store")
    body = orjson.loads(wire.body)
    assert set(body) == {"ticket", "expiresAt", "expiresIn"}
    assert body["expiresIn"] == tickets.LIFE_SECONDS == 60
    row = await Ticket.objects.aget(digest=tickets.digest_of(body["ticket"]))
    assert abs(row.expires_at - before - timedelta(seconds=60)) < timedelta(seconds=5)
    stored = " ".join(str(value) for value in row.__dict__.values())
    assert body["ticket"] not in stored
    assert visitor.token not in stored


async def test_a_ticket_opens_one_stream_of_its_org_once(world: World) -> None:
    visitor = await world.visitor()
    secret = await ticket(world, visitor)
    wire = await show(world, secret)
    assert wire.status == 200, wire.body
    await wire.next(event="stream.caught_up")
    await world.emit(visitor.org, Noted(number=7))
    assert (await wire.events(1))[0].json["number"] == 7
    again = await show(world, secret)
    assert (again.status, again.error["code"]) == (401, "unauthenticated")


async def test_of_fifty_that_show_one_ticket_together_one_gets_in(world: World) -> None:
    visitor = await world.visitor()
    secret = await ticket(world, visitor)
    wires = await asyncio.gather(*(show(world, secret, query={"connection": "page"}) for _ in range(50)))
    assert sorted(wire.status for wire in wires) == [200] + [401] * 49
    opened = next(wire for wire in wires if wire.status == 200)
    await opened.next(event="stream.caught_up")
    assert not opened.ended, "nobody who came too late has ended it"


async def test_an_expired_ticket_opens_nothing(world: World) -> None:
    secret = await ticket(world, await world.visitor())
    rows = Ticket.objects.filter(digest=tickets.digest_of(secret))
    await rows.aupdate(expires_at=timezone.now())
    assert (await show(world, secret)).status == 401


async def test_a_ticket_lives_no_longer_than_what_it_was_taken_with(world: World) -> None:
    visitor = await world.visitor(expires_at=timezone.now() + timedelta(seconds=20))
    body = orjson.loads((await ask(world, visitor)).body)
    assert 15 <= body["expiresIn"] <= 20
    secret = await ticket(world, visitor)
    await sync_to_async(visitor.row.revoke)()
    assert (await show(world, secret)).status == 401


async def test_a_stream_that_a_ticket_opened_ends_with_the_token_behind_it(world: World) -> None:
    visitor = await world.visitor()
    wire = await show(world, await ticket(world, visitor))
    await wire.next(event="stream.caught_up")
    await sync_to_async(visitor.row.revoke)()
    assert (await wire.next(event="stream.closing")).json["reason"] == "auth_revoked"


@pytest.mark.parametrize(
    ("taken", "shown", "status"),
    [
        ({"Origin": PAGE}, {"Origin": PAGE}, 200),
        ({"Origin": PAGE}, {"Origin": "https://other.example"}, 401),
        ({"Origin": PAGE}, {}, 401),
        ({"Origin": PAGE}, {"Sec-Fetch-Site": "cross-site"}, 401),
        ({"Origin": "http://testserver.example"}, {}, 200),
        ({"Origin": "http://testserver.example"}, {"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://testserver.example"}, {"Sec-Fetch-Site": "cross-site"}, 401),
        ({}, {}, 200),
        ({}, {"Origin": "http://testserver.example"}, 200),
        ({}, {"Origin": PAGE}, 401),
    ],
)
async def test_a_ticket_is_for_pages_of_the_origin_that_took_it(
    world: World, taken: dict[str, str], shown: dict[str, str], status: int
) -> None:
    world.configure(STREAM_ALLOWED_ORIGINS=(PAGE, "https://other.example"))
    secret = await ticket(world, await world.visitor(), headers=taken)
    assert (await show(world, secret, headers=shown)).status == status


async def test_a_refusal_for_want_of_room_does_not_use_a_ticket_up(world: World) -> None:
    world.configure(STREAM_MAX_PER_USER=1)
    visitor = await world.visitor()
    first = await world.open(visitor)
    secret = await ticket(world, visitor)
    assert (await show(world, secret)).status == 429
    await first.leave()
    assert (await show(world, secret)).status == 200


async def test_head_looks_at_a_ticket_and_a_poll_uses_it_up(world: World) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 2)
    for path in (f"{PATH}/poll", "/test/events/1"):
        secret = await ticket(world, visitor)
        for looked_at in (PATH, path):
            assert (await show(world, secret, path=looked_at, method="HEAD")).status == 200
        assert (await show(world, secret, path=path)).status == 200
        assert (await show(world, secret, path=path)).status == 401


async def test_a_ticket_takes_no_other_ticket_and_opens_nothing_but_streams(world: World) -> None:
    visitor = await world.visitor()
    secret = await ticket(world, visitor)
    assert (await ask(world, None, query={"ticket": secret})).status == 401
    assert (await show(world, secret)).status == 200, "it was not used up by that"


async def test_only_who_may_open_a_stream_gets_a_ticket(world: World) -> None:
    stranger = await world.visitor(rights=None)
    assert (await ask(world, stranger)).status == 403
    assert (await ask(world, None)).status == 401
    wire = await world.wire(DESK, method="GET").answered()
    assert (wire.status, wire.headers["allow"]) == (405, "POST, OPTIONS")


async def test_a_page_of_another_site_may_be_allowed_to_take_tickets(world: World) -> None:
    world.configure(STREAM_ALLOWED_ORIGINS=(PAGE,))
    asked = await world.wire(DESK, method="OPTIONS", headers={"Origin": PAGE}).answered()
    assert (asked.status, asked.headers["access-control-allow-methods"]) == (204, "POST, OPTIONS")
    wire = await ask(world, await world.visitor(), headers={"Origin": PAGE})
    assert wire.headers["access-control-allow-origin"] == PAGE


@pytest.mark.django_db
async def test_a_cookie_takes_a_ticket_only_with_the_page_s_own_mark(world: World) -> None:
    visitor = await world.visitor()
    browser = Client()
    await sync_to_async(browser.force_login)(visitor.user)
    token = "a" * 32
    session = browser.cookies[django_settings.SESSION_COOKIE_NAME].value
    cookie = f"{django_settings.SESSION_COOKIE_NAME}={session}; {django_settings.CSRF_COOKIE_NAME}={token}"
    assert (await ask(world, None, headers={"Cookie": cookie})).status == 403
    marked = {"Cookie": cookie, "X-CSRFToken": token}
    assert (await ask(world, None, headers={**marked, "Origin": PAGE})).status == 403, "not a page of ours"
    wire = await ask(world, None, headers=marked, query={"org": visitor.org})
    assert wire.status == 201, wire.body
    stream = await show(world, orjson.loads(wire.body)["ticket"])
    assert (await stream.next(event="stream.caught_up")).id
    await sync_to_async(browser.logout)()
    assert (await stream.next(event="stream.closing", within=9)).json["reason"] == "auth_revoked"


async def test_old_tickets_go_with_the_next_one(world: World) -> None:
    visitor = await world.visitor()
    for _ in range(3):
        await ticket(world, visitor)
    await Ticket.objects.filter(user=visitor.user).aupdate(expires_at=timezone.now())
    await ticket(world, visitor)
    assert await Ticket.objects.filter(user=visitor.user).acount() == 1


async def test_a_credential_that_cannot_be_looked_up_later_gets_no_ticket_and_no_reconnect_token(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await world.visitor()
    monkeypatch.setattr(BearerToken, "proof", Kind.proof)
    assert (await ask(world, visitor)).status == 401
    wire = await world.opened(visitor)
    assert (await wire.next(event="stream.open")).json["reconnectToken"] is None
