from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from channels.layers import channel_layers, get_channel_layer
from channels_redis.pubsub import RedisPubSubChannelLayer

from streaming.asgi.pump import Pump
from streaming.core import wire as names
from tests import services
from tests.redis import Redis
from tests.streaming.asgi.world import Noted, World, eventually, numbers


@pytest.fixture
def redis(settings: Any) -> Iterator[Redis]:
    """A Redis of this module's own, as the channel layer; tests may kill and freeze it."""
    server = services.redis("pump")
    server.thaw()
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [server.url]},
        }
    }
    channel_layers.backends.clear()
    yield server
    channel_layers.backends.clear()
    services.redis("pump").thaw()


class Heard(list[tuple[str, int]]):
    def __call__(self, org: str, head: int) -> None:
        self.append((org, head))


@pytest.fixture
def quick(world: World) -> World:
    world.configure(BREAKER_SECONDS=0.3, HEADS_EVERY_DEGRADED=0.5)
    return world


async def far_poke(org: str, message: dict[str, Any]) -> None:
    await get_channel_layer().group_send(names.group_name(org), message)


# -- the embedded layer ------------------------------------------------------------------------------------------------


async def test_the_embedded_layer_is_not_poked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pump = world.process.pump
    assert pump.embedded
    sent: list[Any] = []
    monkeypatch.setattr(pump._layer, "group_send", lambda *args: sent.append(args))
    pump.poke("org", 3)
    assert sent == []
    assert world.process._heads_pause() == 0.2


@pytest.mark.parametrize(
    "message",
    [
        {"type": "stream.poke", "org": "foreign", "head": 5},
        {"type": "stream.poke", "org": "mine", "head": -5},
        {"type": "stream.poke", "org": "mine", "head": 0},
        {"type": "stream.poke", "org": "mine", "head": "5"},
        {"type": "stream.poke", "org": "mine", "head": None},
        {"type": "stream.poke", "org": "mine", "head": 5.0},
        {"type": "stream.poke", "org": ["mine"], "head": 5},
        {"type": "stream.poke", "org": "mine"},
        {"type": "stream.other", "org": "mine", "head": 5},
        {"type": "stream.poke", "entries": [{"org": "mine"}]},
        {},
        [],
        "stream.poke",
        None,
    ],
)
async def test_a_forged_message_is_not_heard(world: World, message: Any) -> None:
    heard = Heard()
    pump = Pump(heard)
    await pump.join("mine")
    pump._hear(message)
    assert heard == []
    pump._hear({"type": "stream.poke", "org": "mine", "head": 7})
    assert heard == [("mine", 7)]
    pump.leave("mine")
    pump._hear({"type": "stream.poke", "org": "mine", "head": 8})
    assert heard == [("mine", 7)]


async def test_forged_messages_bring_no_byte_to_a_client_and_no_harm_to_the_hub(world: World) -> None:
    mine, theirs = await world.visitor(), await world.visitor()
    await world.note(theirs.org, 3)
    wire = await world.open(mine)
    before = wire.body
    for org in (mine.org, theirs.org, "nobody"):
        for head in (1 << 63, 1 << 200, -1, 0, True, "9", None, [9], {"a": 1}):
            for epoch in ("other", None):
                await far_poke(mine.org, {"type": names.POKE, "org": org, "head": head, "epoch": epoch, "data": "x"})
    await eventually(lambda: world.hub(mine.org)._filling is None)
    await world.process.watcher.ask()
    assert wire.body == before
    await world.note(mine.org, 2)
    assert list(numbers(await wire.events(2))) == [1, 2]


# -- a real Redis ------------------------------------------------------------------------------------------------------


async def test_a_poke_of_another_process_is_heard_at_once(redis: Redis, world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    assert not world.process.pump.embedded
    heard = Heard()
    world.process.pump._on_poke = heard
    world.process._spread = lambda batch: None  # type: ignore[method-assign]
    await far_poke(visitor.org, {"type": names.POKE, "org": visitor.org, "head": 41})
    await eventually(lambda: heard == [(visitor.org, 41)], within=1)
    assert not wire.ended


async def test_this_process_pokes_the_others_for_what_it_has_sequenced(redis: Redis, world: World) -> None:
    visitor = await world.visitor()
    await world.open(visitor)
    layer: Any = RedisPubSubChannelLayer(hosts=[redis.url])
    channel = await layer.new_channel()
    await layer.group_add(names.group_name(visitor.org), channel)
    await world.note(visitor.org, 2)
    async with asyncio.timeout(3):
        message = await layer.receive(channel)
    assert message["type"] == names.POKE
    assert message["org"] == visitor.org
    await layer.flush()


async def test_a_layer_that_is_killed_costs_a_second_and_a_half_and_no_event(
    redis: Redis, quick: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    visitor = await quick.visitor()
    wire = await quick.open(visitor)
    assert quick.process.degraded is None
    await asyncio.to_thread(redis.kill)
    quick.process._spread = lambda batch: quick.process.pump.poke(batch.org, batch.head)  # type: ignore[method-assign]
    begun = quick.process.now()
    await quick.emit(visitor.org, Noted(number=1))
    await wire.events(1, within=2)
    assert quick.process.now() - begun <= 1.5
    await eventually(lambda: quick.process.degraded == "the channel layer does not answer")
    assert quick.process._heads_pause() == 0.5
    second = await quick.open(visitor)  # a new connection waits for the layer 250 ms at most
    await asyncio.to_thread(redis.start)
    await eventually(lambda: quick.process.degraded is None, within=6)
    assert "channel layer away" in caplog.text
    assert "channel layer back" in caplog.text
    await quick.emit(visitor.org, Noted(number=2))
    assert list(numbers(await wire.events(2))) == [1, 2]
    assert list(numbers(await second.events(1))) == [2]


async def test_without_a_layer_at_start_streams_open_and_it_is_joined_when_it_comes(redis: Redis, quick: World) -> None:
    await asyncio.to_thread(redis.kill)
    visitor = await quick.visitor()
    begun = quick.process.now()
    wire = await quick.open(visitor)
    assert quick.process.now() - begun <= 1.0
    assert quick.process.degraded is not None
    await quick.emit(visitor.org, Noted(number=1))
    await wire.events(1, within=2)
    await asyncio.to_thread(redis.start)
    await eventually(lambda: quick.process.pump._joined == {visitor.org}, within=6)
    assert quick.process.degraded is None
    heard = Heard()
    quick.process.pump._on_poke = heard
    await far_poke(visitor.org, {"type": names.POKE, "org": visitor.org, "head": 77})
    await eventually(lambda: (visitor.org, 77) in heard, within=3)


async def test_a_frozen_layer_holds_up_neither_connections_nor_events(redis: Redis, quick: World) -> None:
    visitor, other = await quick.visitor(), await quick.visitor()
    wire = await quick.open(visitor)
    redis.freeze()
    try:
        begun = quick.process.now()
        newcomer = await quick.open(other)
        assert quick.process.now() - begun <= 1.0
        await quick.emit(visitor.org, Noted(number=1))
        await wire.events(1, within=1.5)
        await quick.emit(other.org, Noted(number=2))
        await newcomer.events(1, within=1.5)
        await eventually(lambda: quick.process.degraded is not None)
    finally:
        redis.thaw()
    await eventually(lambda: quick.process.degraded is None, within=6)
    assert not wire.ended


async def test_an_org_that_was_let_go_is_left(redis: Redis, world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    pump = world.process.pump
    assert pump._joined == {visitor.org}
    await wire.leave()
    for org in world.process.hub.drop_idle(world.process.now() + 61):
        pump.leave(org)
    assert (pump._joined, pump._orgs) == (set(), set())
    await eventually(lambda: len(pump._tasks) == 2)
    subscribed = await asyncio.to_thread(redis.command, "PUBSUB CHANNELS *" + names.group_name(visitor.org))
    assert visitor.org.encode() not in subscribed


async def test_a_layer_that_fails_to_receive_is_asked_for_a_new_mailbox(world: World) -> None:
    class Failing:
        def __init__(self) -> None:
            self.channels = 0
            self.joined: list[str] = []
            self.failures = 1

        async def new_channel(self, prefix: str) -> str:
            self.channels += 1
            return f"{prefix}!{self.channels}"

        async def group_add(self, group: str, channel: str) -> None:
            self.joined.append(channel)

        async def group_send(self, group: str, message: Any) -> None:
            assert group == "stream._probe"

        async def receive(self, channel: str) -> Any:
            if self.failures:
                self.failures -= 1
                raise ConnectionError("connection lost")
            await asyncio.sleep(60)

    world.configure(BREAKER_SECONDS=0.1)
    pump = Pump(Heard())
    layer = pump._layer = Failing()
    await pump.join("org")
    assert layer.joined == []
    pump.start()
    await eventually(lambda: layer.joined[-1:] == ["streaming!2"], within=8)
    assert pump.failures == 1
    pump._mailbox = None
    await pump.stop()


async def test_without_any_layer_there_is_nothing_to_do(world: World, settings: Any) -> None:
    settings.CHANNEL_LAYERS = {}
    channel_layers.backends.clear()
    pump = Pump(Heard())
    pump.start()
    await pump.join("org")
    pump.poke("org", 1)
    pump.leave("org")
    await pump.stop()
    assert pump.embedded
    assert pump.healthy
    channel_layers.backends.clear()
