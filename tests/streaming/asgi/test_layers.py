"""The layers of channels-redis on a real Redis that is killed, frozen, flushed and lied to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgpack
import pytest
import redis.asyncio as client
from channels.layers import channel_layers, get_channel_layer
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from streaming import incidents
from streaming.asgi.pump import PROBE
from streaming.core import wire as names
from streaming.core.breaker import State
from streaming.incidents import Incident
from tests import services
from tests.redis import Redis
from tests.streaming.asgi.world import Noted, World, eventually, numbers

KEYS = ["a-key-for-the-tests-of-the-layers"]
LAYERS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "pubsub": (RedisPubSubChannelLayer, {}),
    "core": (RedisChannelLayer, {}),
    "pubsub encrypted": (RedisPubSubChannelLayer, {"symmetric_encryption_keys": KEYS}),
    "core encrypted": (RedisChannelLayer, {"symmetric_encryption_keys": KEYS}),
}
each_layer = pytest.mark.parametrize("kind", LAYERS)
both_layers = pytest.mark.parametrize("kind", ["pubsub", "core"])


@pytest.fixture
def kind() -> str:
    return "pubsub"


@pytest.fixture
def server(settings: Any, kind: str) -> Iterator[Redis]:
    """A Redis of these tests' own, as the channel layer; tests may kill, freeze and flush it."""
    started = services.redis("layers")
    layer, config = LAYERS[kind]
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": f"{layer.__module__}.{layer.__name__}",
            "CONFIG": {"hosts": [started.url], **config},
        }
    }
    channel_layers.backends.clear()
    yield started
    channel_layers.backends.clear()
    services.redis("layers").thaw()


@pytest.fixture
def quick(server: Redis, world: World) -> World:
    world.configure(BREAKER_SECONDS=0.3)
    return world


@pytest.fixture
async def elsewhere(server: Redis, kind: str) -> AsyncIterator[Any]:
    """The same layer as another process has it, with a mailbox and connections of its own."""
    layer, config = LAYERS[kind]
    made = layer(hosts=[server.url], **config)
    yield made
    async with asyncio.timeout(5):
        await made.flush()


async def is_healthy(world: World) -> bool:
    return world.process.pump.state is State.HEALTHY


async def joined(world: World, org: str) -> None:
    await eventually(lambda: org in world.process.pump._joined)


async def is_heard(world: World, org: str, head: int, by: Any) -> None:
    """Wait until a poke that another process sends is heard here."""
    pump = world.process.pump
    heard: list[tuple[str, int]] = []
    pump._on_poke = lambda *poke: heard.append(poke)
    try:
        async with asyncio.timeout(5):
            while (org, head) not in heard:
                await by.group_send(names.group_name(org), {"type": names.POKE, "org": org, "head": head})
                await asyncio.sleep(0.05)
    finally:
        pump._on_poke = world.process.hub.poked


def by_heads_only(world: World) -> None:
    """Have what this process sequences reach its streams as another process's would: by pokes and heads alone."""
    world.process._spread = lambda batch: world.process.pump.poke(batch.org, batch.head)  # type: ignore[method-assign]


# -- what it is for ----------------------------------------------------------------------------------------------------


@each_layer
async def test_a_poke_of_another_process_is_heard(quick: World, elsewhere: Any) -> None:
    visitor = await quick.visitor()
    wire = await quick.open(visitor)
    assert not quick.process.pump.embedded
    await joined(quick, visitor.org)
    await is_heard(quick, visitor.org, 41, elsewhere)
    assert not wire.ended


@each_layer
async def test_this_process_pokes_the_others_for_what_it_has_sequenced(quick: World, elsewhere: Any) -> None:
    visitor = await quick.visitor()
    await quick.open(visitor)
    channel = await elsewhere.new_channel()
    await elsewhere.group_add(names.group_name(visitor.org), channel)
    await quick.note(visitor.org, 2)
    async with asyncio.timeout(3):
        message = await elsewhere.receive(channel)
    assert (message["type"], message["org"]) == (names.POKE, visitor.org)


@both_layers
async def test_an_org_that_was_let_go_is_left(server: Redis, quick: World, kind: str) -> None:
    visitor = await quick.visitor()
    wire = await quick.open(visitor)
    pump = quick.process.pump
    await joined(quick, visitor.org)
    await wire.leave()
    for org in quick.process.hub.drop_idle(quick.process.now() + 61):
        pump.leave(org)
    assert (pump._joined, pump._orgs) == (set(), set())
    await eventually(lambda: len(pump._tasks) == 2)
    group = names.group_name(visitor.org)
    asked = f"PUBSUB CHANNELS *{group}" if kind == "pubsub" else f"ZRANGE asgi:group:{group} 0 -1"
    assert await asyncio.to_thread(server.command, asked) == b"*0\r\n"


# -- away and back -----------------------------------------------------------------------------------------------------


@each_layer
async def test_a_layer_that_is_killed_costs_a_second_and_a_half_and_no_event(
    server: Redis, quick: World, elsewhere: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    visitor = await quick.visitor()
    wire = await quick.open(visitor)
    await joined(quick, visitor.org)
    assert quick.process.degraded is None
    await asyncio.to_thread(server.kill)
    by_heads_only(quick)
    begun = quick.process.now()
    await quick.emit(visitor.org, Noted(number=1))
    await wire.events(1, within=2)
    assert quick.process.now() - begun <= 1.5
    await eventually(lambda: quick.process.degraded == "the channel layer does not answer")
    assert quick.process._heads_pause() == 0.5
    second = await quick.open(visitor)  # a new connection waits for the layer 250 ms at most
    await asyncio.to_thread(server.start)
    await eventually(lambda: is_healthy(quick), within=8)
    assert quick.process.degraded is None
    await is_heard(quick, visitor.org, 77, elsewhere)
    await quick.emit(visitor.org, Noted(number=2))
    assert list(numbers(await wire.events(2))) == [1, 2]
    assert list(numbers(await second.events(1))) == [2]
    said = [record.message for record in caplog.records if record.name == "streaming.pump"]
    assert len(said) == 3, said
    assert not wire.ended


@both_layers
async def test_without_a_layer_at_start_streams_open_and_it_is_joined_when_it_comes(
    server: Redis, quick: World, kind: str
) -> None:
    await asyncio.to_thread(server.kill)
    visitor = await quick.visitor()
    begun = quick.process.now()
    wire = await quick.open(visitor)
    assert quick.process.now() - begun <= 2
    await eventually(lambda: quick.process.degraded is not None)
    await quick.emit(visitor.org, Noted(number=1))
    await wire.events(1, within=2)
    await asyncio.to_thread(server.start)
    await eventually(lambda: is_healthy(quick), within=8)
    layer, config = LAYERS[kind]
    another = layer(hosts=[server.url], **config)
    await is_heard(quick, visitor.org, 77, another)
    await another.flush()


@each_layer
async def test_a_frozen_layer_holds_up_neither_connections_nor_events_nor_the_loop(
    server: Redis, quick: World, kind: str
) -> None:
    visitor, other = await quick.visitor(), await quick.visitor()
    wire = await quick.open(visitor)
    await joined(quick, visitor.org)
    server.freeze()
    try:
        begun = quick.process.now()
        newcomer = await quick.open(other)
        assert quick.process.now() - begun <= 2
        await quick.emit(visitor.org, Noted(number=1))
        await wire.events(1, within=1.5)
        by_heads_only(quick)
        await quick.emit(other.org, Noted(number=2))
        await newcomer.events(1, within=1.5)
        await eventually(lambda: quick.process.degraded is not None)
    finally:
        server.thaw()
    await eventually(lambda: is_healthy(quick), within=8)
    assert not wire.ended


@both_layers
async def test_no_call_of_a_frozen_layer_takes_long(server: Redis, quick: World, kind: str) -> None:
    visitor = await quick.visitor()
    await quick.open(visitor)
    await joined(quick, visitor.org)
    pump = quick.process.pump
    server.freeze()
    try:
        for trial in range(3):
            begun = quick.process.now()
            assert not await pump._send(visitor.org, {"type": names.POKE, "org": visitor.org, "head": 1}, trial=True)
            assert quick.process.now() - begun < 2, f"call {trial}"
    finally:
        server.thaw()


@both_layers
async def test_a_flushed_redis_costs_the_time_until_the_heads_are_asked(
    server: Redis, quick: World, elsewhere: Any, kind: str
) -> None:
    visitor = await quick.visitor()
    wire = await quick.open(visitor)
    await joined(quick, visitor.org)
    await asyncio.to_thread(server.flush)
    by_heads_only(quick)
    begun = quick.process.now()
    await quick.note(visitor.org, 3)
    assert list(numbers(await wire.events(3))) == [1, 2, 3]
    assert quick.process.now() - begun <= 1.5
    assert quick.process.degraded is None, "no call has failed"


@both_layers
async def test_a_flushed_redis_is_joined_again_without_anybody_having_failed(
    server: Redis, world: World, elsewhere: Any, kind: str
) -> None:
    world.configure(REJOIN_EVERY=0.5)
    visitor = await world.visitor()
    await world.open(visitor)
    await joined(world, visitor.org)
    await asyncio.to_thread(server.flush)
    await is_heard(world, visitor.org, 9, elsewhere)
    assert world.process.pump.state is State.HEALTHY


async def test_of_two_hosts_one_that_is_away_is_enough_to_be_degraded(settings: Any, world: World) -> None:
    first, second = services.redis("layers"), services.redis("layers-2")
    world.configure(BREAKER_SECONDS=0.3)
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [first.url, second.url]},
        }
    }
    channel_layers.backends.clear()
    try:
        layer: Any = get_channel_layer()
        probes = layer._get_shard(layer._get_group_channel_name(names.group_name(PROBE)))
        away, there = (first, second) if probes is layer._shards[1] else (second, first)
        org = next(
            org
            for org in (world.org() for _ in range(99))
            if layer._get_shard(layer._get_group_channel_name(names.group_name(org))) is not probes
        )
        visitor = await world.visitor(org)
        wire = await world.open(visitor)
        await joined(world, org)
        await asyncio.to_thread(away.kill)
        by_heads_only(world)
        await world.emit(org, Noted(number=1))
        await wire.events(1, within=2)
        await eventually(lambda: world.process.pump.state is State.DEGRADED)
        for _ in range(20):
            await asyncio.sleep(0.05)  # three trials long
            assert world.process.pump.state is State.DEGRADED, "the probe's host answers, the org's does not"
        await asyncio.to_thread(away.start)
        await eventually(lambda: is_healthy(world), within=8)
        await eventually(lambda: there.running)
    finally:
        channel_layers.backends.clear()


# -- lies --------------------------------------------------------------------------------------------------------------


async def put_raw(world: World, server: Redis, kind: str, org: str, data: bytes) -> None:
    """Put bytes where the layer takes its messages from."""
    connection = client.Redis.from_url(server.url)
    if kind.startswith("pubsub"):
        assert await connection.publish(f"asgi__group__{names.group_name(org)}", data) == 1
    else:
        mailbox = world.process.pump._mailbox
        assert mailbox is not None
        await connection.zadd("asgi" + mailbox.partition("!")[0] + "!", {data: 1.0})
    await connection.aclose()


READABLE = [msgpack.packb([1, 2]), msgpack.packb("x" * 5000)]


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff" * 40, b"not msgpack at all", msgpack.packb(7), *READABLE],
    ids=["empty", "noise", "text", "a number", "a list", "a long text"],
)
@each_layer
async def test_bytes_that_are_no_message_are_counted_and_nothing_else(
    server: Redis, quick: World, elsewhere: Any, kind: str, data: bytes
) -> None:
    visitor = await quick.visitor()
    wire = await quick.open(visitor)
    await joined(quick, visitor.org)
    before = incidents.counted(Incident.DAMAGED_MESSAGE) + incidents.counted(Incident.FORGED_MESSAGE)
    padding = b"" if kind.startswith("pubsub") else b"twelve bytes"  # what the core layer puts before each message
    body = wire.body
    for _ in range(3):
        await put_raw(quick, server, kind, visitor.org, padding + data)
        await is_heard(quick, visitor.org, 5, elsewhere)
    counted = incidents.counted(Incident.DAMAGED_MESSAGE) + incidents.counted(Incident.FORGED_MESSAGE)
    # The core layer itself keeps a readable message back that names no mailbox.
    assert counted > before or (kind == "core" and data in READABLE)
    assert quick.process.pump.state is State.HEALTHY
    assert wire.body == body
    await quick.note(visitor.org, 1)
    assert list(numbers(await wire.events(1))) == [1]


@pytest.mark.parametrize("kind", ["pubsub encrypted", "core encrypted"])
async def test_what_another_key_has_encrypted_is_counted_and_nothing_else(
    server: Redis, quick: World, elsewhere: Any, kind: str
) -> None:
    visitor = await quick.visitor()
    wire = await quick.open(visitor)
    await joined(quick, visitor.org)
    stranger = LAYERS[kind][0](hosts=[server.url], symmetric_encryption_keys=["another key"])
    before = incidents.counted(Incident.DAMAGED_MESSAGE)
    for head in range(1, 4):
        message = {"type": names.POKE, "org": visitor.org, "head": head}
        await stranger.group_send(names.group_name(visitor.org), message)
    await eventually(lambda: incidents.counted(Incident.DAMAGED_MESSAGE) == before + 3)
    await is_heard(quick, visitor.org, 8, elsewhere)
    assert quick.process.pump.state is State.HEALTHY
    assert not wire.ended
    await stranger.flush()
