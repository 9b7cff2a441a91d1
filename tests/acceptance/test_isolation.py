"""Nothing of another org, nothing that is forbidden, nothing that was not announced: counted in events and bytes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import transaction
from django.test import override_settings

from redline.workspaces.models import Org, User
from streaming import Event, Rights
from streaming.asgi import lifespan, routing
from streaming.core.event import Announcement
from streaming.models import ApiToken, LogEntry
from streaming.models import Head as HeadRow
from streaming.outbox import emit_many
from tests import services
from tests.acceptance import projects, seeds
from tests.acceptance.direct import Exchange, get
from tests.acceptance.history import History, check, words
from tests.acceptance.oracle import Ask, Draw, Item, Person, is_refused, sees
from tests.acceptance.projects import GRANTS, PATH, STATE
from tests.acceptance.scene import UNLIMITED, Database, Follower, Following, Scene
from tests.people import settle
from tests.processes import wait_until
from tests.servers import Kind, Server, manage, serve
from tests.sse_client import SSE

# -- orgs beside each other ------------------------------------------------------------------------------------------


async def beside_each_other(
    database: Database, kind: Kind, *, orgs: int, clients: int, events: int, writers: int, seed: int
) -> History:
    """Have every org's clients listen while writers write for all orgs, also for two in one transaction."""
    history = History()
    scene = await asyncio.to_thread(lambda: Scene.on(database).prepared(orgs=orgs))
    async with serve(kind, database_url=scene.database_url, channels_url=scene.channels_url, env=UNLIMITED) as server:
        followers = [
            Follower(server.url, member, history, seed=f"{seed}/{member.org}/{number}")
            for member in scene.members
            for number in range(clients)
        ]
        async with Following(server, followers) as following:
            await scene.write(history, writers=writers, events=events, seed=seed)
            await following.to_the_end(await scene.settled(), within=60)
    print(f"{orgs} orgs, {len(followers)} clients, {history.committed} events written, {history.observed} seen")
    assert {reader.start for reader in history.readers} == {0}
    assert history.committed >= events
    assert history.observed == history.committed * clients
    return history


@pytest.mark.servers
async def test_six_orgs_with_four_clients_each_see_their_own_events_and_no_other() -> None:
    seed = seeds.draw("six orgs")
    history = await beside_each_other("sqlite", "uvicorn", orgs=6, clients=4, events=900, writers=2, seed=seed)
    assert words(check(history)) == set()


@pytest.mark.long
@pytest.mark.servers
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("database", "kind"), [("sqlite", "uvicorn"), ("postgres", "daphne")])
async def test_twenty_orgs_with_ten_clients_each_see_their_own_20000_events(database: Database, kind: Kind) -> None:
    seed = seeds.draw("twenty orgs")
    history = await beside_each_other(database, kind, orgs=20, clients=10, events=20_000, writers=4, seed=seed)
    assert words(check(history)) == set()


@pytest.mark.servers
async def test_another_orgs_cursor_is_reset_and_brings_no_foreign_event() -> None:
    scene = await asyncio.to_thread(lambda: Scene.on("sqlite").prepared(orgs=2))
    await scene.write(History(), writers=1, events=60, seed=1)
    foreign = {one[0] for one in scene.rows(_ids(scene.members[0].org))}
    heads = scene.heads()
    async with serve("daphne", database_url=scene.database_url) as server:
        for cursor in (heads[scene.members[0].org][0], *scene.cursors(scene.members[0].org, 3)):
            headers = scene.members[1].headers | {"Last-Event-ID": cursor}
            async with SSE.open(f"{server.url}/v1/stream", headers=headers) as stream:
                blocks = await stream.until("stream.caught_up")
            assert orjson.loads(blocks[0].data or "")["resume"] == "reset"
            assert (blocks[1].event, blocks[1].data) == ("stream.reset", '{"reason":"epoch"}')
            assert len(blocks) > 10
            assert not [block for block in blocks if any(one in block.raw.decode() for one in foreign)]
            polled = await _polled(server, headers, after=cursor)
            assert (polled[0], polled[1]["error"]["code"]) == (410, "cursor-expired")


def _ids(org: str) -> str:
    return (
        f"SELECT id FROM monitoring_changereport WHERE org_id = '{org}'"
        f" UNION SELECT id FROM monitoring_action WHERE org_id = '{org}'"
        f" UNION SELECT id FROM monitoring_vendor WHERE org_id = '{org}'"
    )


async def _polled(server: Server, headers: dict[str, str], *, after: str) -> tuple[int, Any]:
    async with SSE.open(f"{server.url}/v1/events?after={after}&limit=500", headers=headers) as answer:
        return answer.status, await answer.json()


# -- what the channel layer claims -----------------------------------------------------------------------------------


def forgeries(org: str, other: str) -> list[dict[str, Any]]:
    """Return what somebody with access to the layer might send to an org's group."""
    return [
        {"type": "stream.poke", "org": other, "head": 3},
        {"type": "stream.poke", "org": org, "head": 10**15},
        {"type": "stream.poke", "org": org, "head": 10**15, "epoch": "deadbeef"},
        {"type": "stream.poke", "org": org, "head": -1},
        {"type": "stream.poke", "org": org, "head": True},
        {"type": "stream.poke", "org": org, "head": "9"},
        {"type": "stream.poke", "org": [org], "head": 9},
        {"type": "stream.poke", "org": org},
        {"type": "stream.poke"},
        {"type": "stream.reset", "org": org, "reason": "epoch"},
        {"type": "stream.closing", "org": org},
        {"type": "http.response.body", "body": b"data: forged\n\n", "more_body": True},
        {"type": "http.disconnect"},
        {"org": org, "event": "change.detected", "data": "forged"},
    ]


MARKER = '{"changeReportId":"chg_marker","vendorId":"vnd_1","severity":"P3","headline":"after the forgeries"}'


@pytest.mark.servers
async def test_forged_messages_in_redis_bring_no_byte_to_a_client() -> None:
    scene = await asyncio.to_thread(lambda: Scene.on("postgres").prepared(orgs=2))
    mine, other = scene.members
    layer = RedisPubSubChannelLayer(hosts=[services.redis().url])
    async with serve("uvicorn", database_url=scene.database_url, channels_url=scene.channels_url) as server:
        async with SSE.open(f"{server.url}/v1/stream", headers=mine.headers) as stream:
            await stream.until("stream.caught_up")
            for message in forgeries(mine.org, other.org) * 5:
                await layer.group_send(f"stream.{mine.org}", message)
                await layer.group_send(f"stream.{other.org}", message)
            done = await asyncio.to_thread(
                lambda: manage(
                    *("emit", mine.org, "change.detected", MARKER),
                    database_url=scene.database_url,
                    channels_url=scene.channels_url,
                )
            )
            assert done.returncode == 0, done.stderr
            block = await stream.next()
            expected = f"id: {done.stdout.strip()}\nevent: change.detected\ndata: {MARKER}\n\n"
            assert block.raw.decode() == expected
        assert "Traceback" not in server.log()
    await layer.flush()


@pytest.fixture
def declared() -> Any:
    """The feed for tests, declared and served with rights of its own."""
    streaming = {
        **settings.STREAMING,
        "ACCESS": "tests.acceptance.projects.Access",
        "EVENT_STREAM_HEARTBEAT_INTERVAL_MS": 250,
        "STREAM_MAX_PER_USER": 0,
        "STREAM_MAX_PER_ORG": 0,
    }
    with projects.Declared() as feed, override_settings(STREAMING=streaming):
        yield feed


@pytest.fixture
async def application(declared: object, transactional_db: None) -> AsyncIterator[Any]:
    """The whole ASGI application in this loop, stopped at the end."""
    yield routing.application(get_asgi_application())
    await lifespan.stop_all()


@dataclass
class World:
    """Users with tokens in orgs of the test database."""

    orgs: list[str] = field(default_factory=list)
    users: dict[str, dict[str, str]] = field(default_factory=dict)
    """The headers of each user, by id."""

    @classmethod
    def make(cls, orgs: int, users: int) -> World:
        world = cls()
        for number in range(orgs):
            org = Org.objects.create(slug=f"org-{number}", name="Org").pk
            world.orgs.append(org)
            for one in range(users):
                user = User.objects.create(username=f"user-{number}-{one}")
                settle(org, user.pk)
                world.users[user.pk] = {"Authorization": f"Bearer {ApiToken.issue(user=user, org=org)[1]}"}
        return world

    def of(self, org: int, users: int) -> list[str]:
        """Return the ids of an org's users."""
        return list(self.users)[org * users : (org + 1) * users]


@sync_to_async
def heads() -> dict[str, str]:
    return {row.org: f"{row.epoch}.{row.sequence}.{row.fingerprint}" for row in HeadRow.objects.all()}


@sync_to_async
def announce(items: list[Item]) -> None:
    """Emit items, each org's in the order given, and make them the state that snapshots tell."""
    told = [(item.org, announcement(item)) for item in items]
    for org in {org for org, _ in told}:
        STATE[org] = [one for of, one in told if of == org]
    with transaction.atomic():
        emit_many(told)


def announcement(item: Item) -> Announcement:
    classes: dict[str, type[Event]] = {event.event_type: event for event in projects.EVENTS}
    event = classes[item.type](number=item.number)  # type: ignore[call-arg]
    return event.about(item.resource, keys=item.belongs_to, audience=item.addressed_to)


async def test_forged_messages_in_the_layer_of_this_process_bring_no_byte_to_a_client(application: Any) -> None:
    world = await sync_to_async(World.make)(2, 1)
    (user, headers), _ = world.users.items()
    GRANTS[user, world.orgs[0]] = Rights(all=True)
    async with Exchange.open(application, PATH, headers=headers) as stream:
        await stream.until(lambda seen: seen.has("stream.caught_up"))
        known = len(stream.blocks)
        for message in forgeries(*world.orgs) * 5:
            await get_channel_layer().group_send(f"stream.{world.orgs[0]}", message)
        item = Draw(random.Random(1)).item(world.orgs[0], [])
        await announce([item])
        await stream.until(lambda seen: bool(seen.payloads()))
        told = [block for block in stream.blocks[known:] if block.comment != "heartbeat"]
        assert [block.data for block in told] == [f'{{"number":{item.number}}}']


# -- rights and scopes against an oracle -----------------------------------------------------------------------------

ORGS, USERS, ITEMS, AT_ONCE = 3, 14, 12, 100


@dataclass(frozen=True, kw_only=True)
class Case:
    person: Person
    ask: Ask


async def outcomes(application: Any, world: World, cases: list[Case], items: list[Item]) -> list[list[Any]]:
    """Return for each case what each of stream, replay, poll and snapshot brought: numbers, or 403."""
    before = await heads()
    live = [Exchange.open(application, PATH, headers=world.users[one.person.id], query=one.ask.query) for one in cases]
    streams = [await one.__aenter__() for one in live]
    try:
        await asyncio.gather(*(one.until(lambda seen: bool(seen.status) and bool(seen.body)) for one in streams))
        await asyncio.gather(
            *(one.until(lambda seen: seen.has("stream.caught_up")) for one in streams if one.status == 200)
        )
        await announce(items)
        await sequenced()
        goal = await heads()
        at_the_head = (
            stream.until(lambda seen, goal=goal[case.person.org]: seen.last_event_id == goal)
            for case, stream in zip(cases, streams, strict=True)
            if stream.status == 200
        )
        await asyncio.gather(*at_the_head)
        told = [_numbers(stream) for stream in streams]
    finally:
        for one in live:
            await one.__aexit__(None, None, None)
    replayed = await asyncio.gather(*(_caught_up(application, world, one, before[one.person.org]) for one in cases))
    state = await asyncio.gather(*(_caught_up(application, world, one, "zz.1.00000001") for one in cases))
    polled = await asyncio.gather(*(_poll(application, world, one, before[one.person.org]) for one in cases))
    return [list(four) for four in zip(told, replayed, polled, state, strict=True)]


async def sequenced() -> None:
    """Wait until nothing of the test database waits to be sequenced."""
    waiting = LogEntry.objects.filter(sequence=None)
    await sync_to_async(wait_until)(lambda: not waiting.all().exists(), within=10, what="the outbox is empty")


async def _caught_up(application: Any, world: World, case: Case, cursor: str) -> Any:
    headers = world.users[case.person.id] | {"Last-Event-ID": cursor}
    async with Exchange.open(application, PATH, headers=headers, query=case.ask.query) as stream:
        await stream.until(lambda seen: seen.has("stream.caught_up") or (seen.status > 200 and bool(seen.body)))
        return _numbers(stream)


async def _poll(application: Any, world: World, case: Case, cursor: str) -> Any:
    query = case.ask.query | {"after": cursor, "limit": "500"}
    status, body = await get(application, f"{PATH}/poll", headers=world.users[case.person.id], query=query)
    return [event["data"]["number"] for event in body["events"]] if status == 200 else status


def _numbers(stream: Exchange) -> Any:
    return [one["number"] for one in stream.payloads()] if stream.status == 200 else stream.status


async def compare_with_the_oracle(application: Any, *, cases: int, seed: int) -> None:
    draw = Draw(random.Random(seed))
    world = await sync_to_async(World.make)(ORGS, USERS)
    await announce([draw.item(org, []) for org in world.orgs])
    await sequenced()
    shown = refused = 0
    for _ in range(cases // AT_ONCE):
        people = [draw.person(user, org) for number, org in enumerate(world.orgs) for user in world.of(number, USERS)]
        _grant(people)
        drawn = [Case(person=draw.random.choice(people), ask=draw.ask()) for _ in range(AT_ONCE)]
        items = [draw.item(org, people) for org in world.orgs for _ in range(ITEMS)]
        for case, found in zip(drawn, await outcomes(application, world, drawn, items), strict=True):
            expected: Any = [item.number for item in items if sees(case.person, case.ask, item)]
            if is_refused(case.person, case.ask):
                expected = 403
                refused += 1
            else:
                shown += len(expected)
            assert found == [expected] * 4, f"{case} over {items}"
    print(f"{cases} cases, {refused} of them refused; {shown} of {(cases - refused) * ITEMS} entries shown")
    assert refused
    assert shown


def _grant(people: list[Person]) -> None:
    GRANTS.clear()
    for person in people:
        if person.member:
            names = frozenset({person.id, *person.teams})
            rights = Rights(all=True) if person.sees_everything else Rights(keys=person.holds, names=names)
            GRANTS[person.id, person.org] = rights


@pytest.mark.any_database
async def test_2000_drawn_users_and_scopes_see_what_the_oracle_says_four_times_over(application: Any) -> None:
    await compare_with_the_oracle(application, cases=2_000, seed=seeds.draw("oracle"))


@pytest.mark.any_database
async def test_after_a_demotion_nothing_forbidden_comes_by_any_road(application: Any) -> None:
    world = await sync_to_async(World.make)(1, 1)
    org = world.orgs[0]
    ((user, headers),) = world.users.items()
    draw = Draw(random.Random(7))
    items = [draw.item(org, []) for _ in range(200)]
    GRANTS[user, org] = Rights(all=True)
    begin = (await _open(application, headers)).last_event_id
    await announce(items)
    await sequenced()
    person = Person(id=user, org=org, member=True, sees_everything=False, holds=frozenset({"prj_1"}), teams=frozenset())
    case, ask = Case(person=person, ask=Ask()), Ask()
    assert len(await _caught_up(application, world, case, begin)) == 200
    _grant([person])
    allowed = [item.number for item in items if sees(person, ask, item)]
    assert 0 < len(allowed) < 150
    assert await _caught_up(application, world, case, begin) == allowed
    assert await _caught_up(application, world, case, "zz.1.00000001") == allowed
    assert await _poll(application, world, case, begin) == allowed
    one_by_one = [await get(application, f"/test/events/{number}", headers=headers) for number in range(1, 201)]
    assert [body["data"]["number"] for status, body in one_by_one if status == 200] == allowed
    assert {status for status, _ in one_by_one} == {200, 404}
    GRANTS.clear()
    assert await _caught_up(application, world, case, begin) == 403
    assert await _poll(application, world, case, begin) == 403
    assert (await get(application, "/test/events/1", headers=headers))[0] == 403


async def _open(application: Any, headers: dict[str, str]) -> Exchange:
    async with Exchange.open(application, PATH, headers=headers) as stream:
        return await stream.until(lambda seen: seen.has("stream.caught_up"))


# -- what was never announced ----------------------------------------------------------------------------------------

CANARY = "canary-5e1d0c"


@pytest.mark.servers
@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_what_is_not_announced_is_in_no_event_snapshot_poll_or_log(kind: Kind) -> None:
    scene = await asyncio.to_thread(lambda: Scene.on("sqlite").prepared(orgs=1))
    member = scene.members[0]
    async with serve(kind, database_url=scene.database_url) as server:
        url = f"{server.url}/v1/stream?token={member.token}"
        async with SSE.open(url) as live:
            await live.until("stream.caught_up")
            written = await asyncio.to_thread(scene.run, "canary", "--value", CANARY)
            begin = live.last_event_id
            while live.last_event_id != (await scene.settled())[member.org][0]:
                await live.next()
            said = b"".join(block.raw for block in live.blocks)
        for cursor in (begin, "zz.1.00000001"):
            async with SSE.open(f"{url}&lastEventId={cursor}") as stream:
                said += b"".join(block.raw for block in await stream.until("stream.caught_up"))
        for path in ("/v1/events?after=0&limit=500&", *(f"/v1/events/{number}?" for number in range(1, 9))):
            async with SSE.open(f"{server.url}{path}token={member.token}") as answer:
                assert answer.status == 200
                said += await answer.body()
        async with SSE.open(f"{server.url}/v1/stream?token={member.token}x") as answer:
            assert answer.status == 401
            said += await answer.body()
        log = server.log()
    for event in ("scheduler.tick", "run.stage", "change.detected", "action.delivered", "change.stateChanged"):
        assert said.count(event.encode()) >= 3, event
    rows = "\n".join(str(row) for table in CANARIES for row in scene.rows(f"SELECT * FROM {table}"))
    assert rows.count(CANARY) >= 15, "the canary has to sit where it could escape from"
    for place, text in (("streams and polls", said.decode()), ("the server's log", log), ("the writer's", written)):
        assert CANARY not in text, place
        assert member.token not in text, place
        assert "pbkdf2" not in text, place


CANARIES = (
    "workspaces_user",
    "monitoring_vendor",
    "monitoring_vendorpage",
    "monitoring_changereport",
    "monitoring_change",
    "monitoring_changetransition",
    "monitoring_action",
    "monitoring_runstage",
    "monitoring_policy",
)
