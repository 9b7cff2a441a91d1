"""The mailbox by itself: what it hears and what not, and how it comes back; with a layer that does as it is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from channels.layers import channel_layers, get_channel_layer

from streaming import incidents
from streaming.asgi import pump as pump_module
from streaming.asgi.pump import PROBE, Pump
from streaming.core import wire as names
from streaming.core.breaker import State
from streaming.incidents import Incident
from tests.streaming.asgi.world import World, eventually, numbers


class Heard(list[tuple[str, int]]):
    def __call__(self, org: str, head: int) -> None:
        self.append((org, head))


async def nothing_missed() -> bool:
    return True


class Layer:
    """A layer in memory whose calls can be made to fail or to hang."""

    def __init__(self) -> None:
        self.channels = 0
        self.calls: list[str] = []
        self.groups: dict[str, set[str]] = {}
        self.away: Callable[[str], bool] = lambda group: False
        self.hangs = False
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()

    async def new_channel(self, prefix: str) -> str:
        await self._call("new_channel", "")
        self.channels += 1
        return f"{prefix}!{self.channels}"

    async def group_add(self, group: str, channel: str) -> None:
        await self._call("group_add", group)
        self.groups.setdefault(group, set()).add(channel)

    async def group_discard(self, group: str, channel: str) -> None:
        await self._call("group_discard", group)
        self.groups.get(group, set()).discard(channel)

    async def group_send(self, group: str, message: Any) -> None:
        await self._call("group_send", group)
        if f"streaming!{self.channels}" in self.groups.get(group, ()):
            self.inbox.put_nowait(message)

    async def receive(self, channel: str) -> Any:
        message = await self.inbox.get()
        if isinstance(message, Exception):
            raise message
        return message

    async def _call(self, name: str, group: str) -> None:
        self.calls.append(name)
        if self.hangs:
            await asyncio.Event().wait()
        if self.away(group):
            raise ConnectionError("connection refused")


@pytest.fixture
def layer() -> Layer:
    return Layer()


@pytest.fixture
async def pump(world: World, layer: Layer) -> AsyncIterator[Pump]:
    world.configure(BREAKER_SECONDS=0.1, REJOIN_EVERY=60.0)
    made = Pump(Heard(), catch_up=nothing_missed)
    made._layer = layer
    yield made
    layer.hangs, layer.away = False, lambda group: False
    await made.stop()


def state_is(pump: Pump, state: State) -> Callable[[], bool]:
    return lambda: pump.state is state


# -- what is heard -----------------------------------------------------------------------------------------------------


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
        {"type": "stream.poke", "org": "mine", "head": -5},
        {"type": "stream.poke", "org": "mine", "head": 0},
        {"type": "stream.poke", "org": "mine", "head": "5"},
        {"type": "stream.poke", "org": "mine", "head": None},
        {"type": "stream.poke", "org": "mine", "head": 5.0},
        {"type": "stream.poke", "org": ["mine"], "head": 5},
        {"type": "stream.poke", "org": "m\n", "head": 5},
        {"type": "stream.poke", "org": "mine"},
        {"type": "stream.probe", "from": 7},
        {"type": "stream.other", "org": "mine", "head": 5},
        {"type": "stream.poke", "entries": [{"org": "mine"}]},
        {},
        [],
        "stream.poke",
        None,
    ],
)
async def test_a_forged_message_is_counted_and_not_heard(pump: Pump, message: Any) -> None:
    await pump.join("mine")
    before = incidents.counted(Incident.FORGED_MESSAGE)
    pump._hear(message)
    assert pump._on_poke == []
    assert incidents.counted(Incident.FORGED_MESSAGE) == before + 1
    pump._hear({"type": "stream.poke", "org": "mine", "head": 7})
    assert pump._on_poke == [("mine", 7)]
    assert incidents.counted(Incident.FORGED_MESSAGE) == before + 1


async def test_a_poke_for_an_org_that_was_let_go_is_late_and_not_forged(pump: Pump) -> None:
    await pump.join("mine")
    pump.leave("mine")
    before = incidents.counted(Incident.FORGED_MESSAGE)
    pump._hear({"type": "stream.poke", "org": "mine", "head": 8})
    assert (pump._on_poke, incidents.counted(Incident.FORGED_MESSAGE)) == ([], before)


async def test_forged_messages_bring_no_byte_to_a_client_and_no_harm_to_the_hub(world: World) -> None:
    mine, theirs = await world.visitor(), await world.visitor()
    await world.note(theirs.org, 3)
    wire = await world.open(mine)
    before = wire.body
    for org in (mine.org, theirs.org, "nobody"):
        for head in (1 << 63, 1 << 200, -1, 0, True, "9", None, [9], {"a": 1}):
            for epoch in ("other", None):
                message = {"type": names.POKE, "org": org, "head": head, "epoch": epoch, "data": "x"}
                await get_channel_layer().group_send(names.group_name(mine.org), message)
    await eventually(lambda: world.hub(mine.org)._filling is None)
    await world.process.watcher.ask()
    assert wire.body == before
    await world.note(mine.org, 2)
    assert list(numbers(await wire.events(2))) == [1, 2]


async def test_a_message_that_cannot_be_read_costs_nothing_but_itself(pump: Pump, layer: Layer) -> None:
    pump.start()
    await pump.join("org")
    before = incidents.counted(Incident.DAMAGED_MESSAGE)
    for error in (ValueError("bad msgpack"), TypeError("not a dict"), KeyError("x"), pump_module.InvalidToken()):
        layer.inbox.put_nowait(error)
    layer.inbox.put_nowait({"type": names.POKE, "org": "org", "head": 4})
    await eventually(lambda: pump._on_poke == [("org", 4)])
    assert incidents.counted(Incident.DAMAGED_MESSAGE) == before + 4
    assert pump.state is State.HEALTHY
    assert layer.channels == 1


async def test_a_mailbox_with_nothing_but_what_cannot_be_read_is_given_up(
    pump: Pump, layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump_module, "UNREADABLE_IN_A_ROW", 5)
    pump.start()
    for _ in range(4):
        layer.inbox.put_nowait(ValueError("bad"))
    layer.inbox.put_nowait({"type": names.PROBE, "from": "another"})
    for _ in range(4):
        layer.inbox.put_nowait(ValueError("bad"))
    await eventually(lambda: layer.inbox.empty())
    assert (layer.channels, pump.state) == (1, State.HEALTHY)
    layer.inbox.put_nowait(ValueError("bad"))
    await eventually(state_is(pump, State.DEGRADED))
    await eventually(state_is(pump, State.HEALTHY))
    assert layer.channels == 2


# -- away and back -----------------------------------------------------------------------------------------------------


async def test_each_change_of_state_is_logged_once(pump: Pump, layer: Layer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    pump.start()
    await pump.join("org")
    layer.away = lambda group: True
    for head in range(1, 20):
        pump.poke("org", head)
    await eventually(state_is(pump, State.DEGRADED))
    tried = len(layer.calls)
    await eventually(lambda: len(layer.calls) >= tried + 3)  # tried anew, in vain
    layer.away = lambda group: False
    await eventually(state_is(pump, State.HEALTHY))
    said = [record.message for record in caplog.records if record.name == "streaming.pump"]
    assert said[0].startswith("channel layer away, polling the log faster: ConnectionError")
    assert said[1:] == ["channel layer answers, joining 1 groups anew", "channel layer back"]


async def test_a_degraded_layer_is_spared_by_everybody_but_the_trial(pump: Pump, layer: Layer) -> None:
    pump._breaker._spare = 60.0
    pump.start()
    await pump.join("one")
    layer.away = lambda group: True
    pump.poke("one", 1)
    await eventually(state_is(pump, State.DEGRADED))
    called = len(layer.calls)
    pump.poke("one", 2)
    await pump.join("two")
    pump.leave("one")
    await eventually(lambda: len(pump._tasks) == 2)
    assert len(layer.calls) == called


async def test_what_answers_is_joined_and_caught_up_with_before_it_is_healthy(pump: Pump, layer: Layer) -> None:
    caught_up = asyncio.Event()
    asked: list[set[str]] = []

    async def catch_up() -> bool:
        asked.append({group for group, channels in layer.groups.items() if channels})
        return caught_up.is_set()

    pump._catch_up = catch_up
    pump.start()
    await pump.join("org")
    layer.away = lambda group: True
    pump.poke("org", 1)
    await eventually(state_is(pump, State.DEGRADED))
    layer.groups.clear()  # a Redis that was restarted
    layer.away = lambda group: False
    await eventually(state_is(pump, State.RECOVERING))
    await eventually(lambda: len(asked) >= 1)
    assert asked[0] == {"stream.org", f"stream.{PROBE}"}
    assert pump.state is State.RECOVERING, "the database does not answer, so nobody knows what was missed"
    caught_up.set()
    await eventually(state_is(pump, State.HEALTHY))


async def test_a_layer_that_takes_messages_and_delivers_none_is_away(pump: Pump, layer: Layer, world: World) -> None:
    world.configure(REJOIN_EVERY=0.05)
    pump.start()
    await eventually(lambda: "group_send" in layer.calls)
    assert pump.state is State.HEALTHY
    deliver, layer.inbox.put_nowait = layer.inbox.put_nowait, lambda message: None  # type: ignore[method-assign]
    await eventually(state_is(pump, State.DEGRADED))
    layer.inbox.put_nowait = deliver  # type: ignore[method-assign]
    await eventually(state_is(pump, State.HEALTHY))


async def test_of_several_hosts_the_one_that_failed_must_answer(pump: Pump, layer: Layer) -> None:
    pump.start()
    layer.away = lambda group: group == "stream.theirs"
    pump.poke("theirs", 1)
    await eventually(state_is(pump, State.DEGRADED))
    tried = len(layer.calls)
    await eventually(lambda: len(layer.calls) >= tried + 6)
    assert pump.state is State.DEGRADED, "the probe's own group answers, theirs does not"
    layer.away = lambda group: False
    await eventually(state_is(pump, State.HEALTHY))


async def test_a_layer_that_hangs_holds_a_call_for_its_time_out_and_a_join_no_longer(
    world: World, pump: Pump, layer: Layer
) -> None:
    world.configure(LAYER_TIMEOUT=1.0)
    pump.start()
    await eventually(pump._opened.is_set)
    layer.hangs = True
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await asyncio.gather(*(pump.join(f"org-{number}") for number in range(50)))
    assert loop.time() - begun < 4, "they wait together"
    await eventually(state_is(pump, State.DEGRADED))
    begun = loop.time()
    await pump.join("one-more")
    assert loop.time() - begun < 0.9, "it is spared"


async def test_a_layer_that_fails_to_receive_is_asked_for_a_new_mailbox(pump: Pump, layer: Layer) -> None:
    pump.start()
    await pump.join("org")
    layer.inbox.put_nowait(ConnectionError("connection lost"))
    await eventually(state_is(pump, State.DEGRADED))
    await eventually(state_is(pump, State.HEALTHY))
    assert layer.groups["stream.org"] == {"streaming!1", "streaming!2"}
    assert pump._mailbox == "streaming!2"


async def test_stopping_takes_no_longer_for_a_layer_that_hangs(pump: Pump, layer: Layer) -> None:
    pump.start()
    for number in range(20):
        await pump.join(f"org-{number}")
    layer.hangs = True
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await pump.stop()
    assert loop.time() - begun < 2.5


async def test_stopping_leaves_every_group(pump: Pump, layer: Layer) -> None:
    pump.start()
    await pump.join("org")
    await pump.stop()
    assert not any(layer.groups.values())


async def test_an_org_that_is_let_go_while_it_is_joined_is_left(pump: Pump, layer: Layer) -> None:
    pump.start()
    await eventually(pump._opened.is_set)
    joining = asyncio.create_task(pump.join("org"))
    await asyncio.sleep(0)
    pump.leave("org")
    await joining
    await eventually(lambda: layer.groups.get("stream.org") == set())
    assert "org" not in pump._joined


async def test_without_any_layer_there_is_nothing_to_do(world: World, settings: Any) -> None:
    settings.CHANNEL_LAYERS = {}
    channel_layers.backends.clear()
    pump = Pump(Heard(), catch_up=nothing_missed)
    pump.start()
    await pump.join("org")
    pump.poke("org", 1)
    pump.leave("org")
    await pump.stop()
    assert pump.embedded
    assert pump.state is State.HEALTHY
    channel_layers.backends.clear()


async def test_a_damaged_name_of_an_org_is_no_failure_of_the_layer(pump: Pump, layer: Layer) -> None:
    before = incidents.counted(Incident.DAMAGED_ENTRY)
    calls = len(layer.calls)
    pump.poke("bad org", 3)
    await asyncio.sleep(0.05)
    assert pump.state is State.HEALTHY
    assert "group_send" not in layer.calls[calls:]
    assert incidents.counted(Incident.DAMAGED_ENTRY) == before + 1
