from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from streaming import conf, reconnect, sealing
from streaming.core.rights import EVERYTHING
from tests.streaming.asgi.wire import Wire
from tests.streaming.asgi.world import PATH, Visitor, World

pytestmark = pytest.mark.any_database


async def offered(world: World, visitor: Visitor, **told: Any) -> str:
    """Open a stream, leave it, and return the token that it offered."""
    wire = await world.opened(visitor, **told)
    token = (await wire.next(event="stream.open")).json["reconnectToken"]
    await wire.leave()
    return str(token)


async def show(world: World, token: str, *, path: str = PATH, **told: Any) -> Wire:
    query = {**told.pop("query", {}), "token": token}
    return await world.wire(path, query=query, **told).start()


async def test_it_opens_the_same_stream_again_and_again_where_it_was_issued(world: World) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 3)
    token = await offered(world, visitor)
    await world.note(visitor.org, 2, start=4)
    for _ in range(2):
        wire = await show(world, token)
        opened = (await wire.next(event="stream.open")).json
        assert opened["resume"] == "ok"
        await wire.next(event="stream.caught_up")
        assert [one.json["number"] for one in wire.of_feed] == [4, 5]
        await wire.leave()


async def test_a_cursor_beats_the_position_that_it_carries(world: World) -> None:
    visitor = await world.visitor()
    token = await offered(world, visitor)
    cursors = await world.note(visitor.org, 4)
    wire = await show(world, token, headers={"Last-Event-ID": str(cursors[2])})
    await wire.next(event="stream.caught_up")
    assert [one.json["number"] for one in wire.of_feed] == [4]
    wire = await show(world, token, query={"lastEventId": "nonsense"})
    assert (await wire.next(event="stream.open")).json["resume"] == "malformed"
    await wire.next(event="stream.caught_up")
    assert wire.of_feed == []


async def test_one_that_was_issued_before_a_snapshot_carries_no_position(world: World) -> None:
    visitor = await world.visitor()
    token = await offered(world, visitor, cursor="zz.9.00000001")
    assert (await (await show(world, token)).next(event="stream.open")).json["resume"] == "none"


async def test_each_connection_offers_the_next_one(world: World) -> None:
    visitor = await world.visitor()
    token = await offered(world, visitor)
    for _ in range(3):
        wire = await show(world, token)
        token = (await wire.next(event="stream.open")).json["reconnectToken"]
        await wire.leave()
    await sync_to_async(visitor.row.revoke)()
    assert (await show(world, token)).status == 401


async def test_the_stream_that_it_opened_ends_with_the_token_behind_it(world: World) -> None:
    visitor = await world.visitor()
    wire = await show(world, await offered(world, visitor))
    await wire.next(event="stream.caught_up")
    await sync_to_async(visitor.row.revoke)()
    assert (await wire.next(event="stream.closing")).json["reason"] == "auth_revoked"


async def test_it_ends_when_the_credential_ends_that_opened_the_first_connection(world: World) -> None:
    visitor = await world.visitor(expires_at=timezone.now() + timedelta(seconds=2))
    wire = await show(world, await offered(world, visitor))
    assert (await wire.next(event="stream.closing", within=6)).json["reason"] == "auth_expired"


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        (PATH, {"types": "test.noted"}, 200),
        (PATH, {"types": "test.noted", "lastEventId": ""}, 200),
        (PATH, {}, 401),
        (PATH, {"types": "test.stated"}, 401),
        (PATH, {"types": "test.noted", "org": "another"}, 401),
        (f"{PATH}/poll", {"types": "test.noted", "after": "0", "limit": "5"}, 200),
        (f"{PATH}/poll", {"types": "test.stated"}, 401),
        ("/test/events/1", {"types": "test.noted"}, 401),
    ],
)
async def test_it_is_for_the_path_and_query_that_it_was_issued_on(
    world: World, path: str, query: dict[str, str], status: int
) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 1)
    token = await offered(world, visitor, query={"types": "test.noted"})
    assert (await show(world, token, path=path, query=query)).status == status


async def test_it_is_for_pages_of_the_origin_that_it_was_issued_to(world: World) -> None:
    world.configure(STREAM_ALLOWED_ORIGINS=("https://a.example", "https://b.example"))
    token = await offered(world, await world.visitor(), headers={"Origin": "https://a.example"})
    assert (await show(world, token, headers={"Origin": "https://a.example"})).status == 200
    assert (await show(world, token, headers={"Origin": "https://b.example"})).status == 401
    assert (await show(world, token)).status == 401


async def test_it_is_no_good_after_its_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = await world.visitor()
    monkeypatch.setattr(reconnect, "GRACE_SECONDS", -conf.streaming.LIFE_MAX - 1)
    assert (await show(world, await offered(world, visitor))).status == 401


async def test_whoever_lost_his_place_in_the_org_is_refused(world: World) -> None:
    visitor = await world.visitor()
    token = await offered(world, visitor)
    world.withdraw(visitor.user, visitor.org)
    assert (await show(world, token)).status == 403
    world.grant(visitor.user, visitor.org, EVERYTHING)
    assert (await show(world, token)).status == 200


@pytest.mark.parametrize(
    "value",
    [
        [],
        "text",
        {"user": 1},
        ["1", "org", "", "", "token:1", "", 0],
        ["1", "org", "", "", "token:999999", "", 9_999_999_999],
        ["1", "org", "", "", "session:none", "", 9_999_999_999],
        ["1", "org", "", "", "user:999999:", "", 9_999_999_999],
        ["1", "org", "", "", "nothing", "", 9_999_999_999],
    ],
)
async def test_what_this_site_sealed_for_another_purpose_opens_nothing(world: World, value: Any) -> None:
    await world.visitor()
    assert (await show(world, reconnect.PREFIX + sealing.seal(value))).status == 401


async def test_a_token_that_was_changed_in_one_place_opens_nothing(world: World) -> None:
    visitor = await world.visitor()
    token = await offered(world, visitor)
    for at in range(len(reconnect.PREFIX), len(token) - 1, 7):
        other = "A" if token[at] != "A" else "B"
        assert (await show(world, token[:at] + other + token[at + 1 :])).status == 401, at
    assert (await show(world, token)).status == 200


async def test_it_outlives_a_change_of_the_secret_key_as_long_as_the_old_one_is_listed(world: World) -> None:
    token = await offered(world, await world.visitor())
    old = world.settings.SECRET_KEY
    world.settings.SECRET_KEY = "n" * 60
    assert (await show(world, token)).status == 401
    world.settings.SECRET_KEY_FALLBACKS = [old]
    assert (await show(world, token)).status == 200


async def test_in_a_header_it_is_no_credential(world: World) -> None:
    token = await offered(world, await world.visitor())
    assert (await world.wire(headers={"Authorization": f"Bearer {token}"}).start()).status == 401


async def test_a_feed_of_a_site_that_takes_none_offers_none(world: World) -> None:
    kinds = tuple(one for one in conf.streaming.AUTHENTICATION if "reconnect" not in one)
    visitor = await world.visitor()
    world.configure(AUTHENTICATION=kinds)
    wire = await world.opened(visitor)
    assert (await wire.next(event="stream.open")).json["reconnectToken"] is None
