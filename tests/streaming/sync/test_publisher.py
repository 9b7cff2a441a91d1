from __future__ import annotations

import asyncio
import logging
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from pytest_django.fixtures import Settings

from streaming import incidents, publisher
from streaming.core import wire
from streaming.incidents import Incident
from streaming.publisher import Publisher, poke_message
from tests import services
from tests.environment import PYTHON, ROOT, for_child
from tests.processes import wait_until
from tests.redis import Redis
from tests.streaming.sync.sample import commit, new_org


@pytest.fixture
def redis(settings: Settings) -> Iterator[Redis]:
    server = services.redis("publisher")
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [server.url]},
        }
    }
    settings.STREAMING = {**settings.STREAMING, "BREAKER_SECONDS": 0.2}
    yield server
    services.redis("publisher").thaw()


class Mailbox:
    """A serving process's mailbox in the layer, joined to one org."""

    def __init__(self, layer: Any, channel: str) -> None:
        self._layer = layer
        self._channel = channel

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            message: dict[str, Any] = await self._layer.receive(self._channel)
        return message


@pytest.fixture
async def mailbox(redis: Redis, org: str) -> AsyncIterator[Mailbox]:
    layer: Any = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(wire.group_name(org), channel)
    yield Mailbox(layer, channel)
    await layer.flush()


async def test_a_poke_reaches_the_orgs_group(mailbox: Mailbox, org: str) -> None:
    publisher.poke(new_org(), 1)
    publisher.poke(org, 7)
    assert await mailbox.next() == {"type": "stream.poke", "org": org, "head": 7} == poke_message(org, 7)


@pytest.mark.django_db(transaction=True)
async def test_a_commit_pokes_the_layer_from_a_process_that_serves_nobody(mailbox: Mailbox, org: str) -> None:
    await sync_to_async(commit)(org, range(3))
    assert await mailbox.next() == poke_message(org, 3)


@pytest.mark.django_db(transaction=True)
async def test_a_hung_redis_holds_no_writer_up_and_is_used_again_afterwards(
    redis: Redis, mailbox: Mailbox, org: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.STREAMING = {**settings.STREAMING, "LAYER_TIMEOUT": 2}
    publisher.poke(org, 1)
    assert await mailbox.next() == poke_message(org, 1)
    redis.freeze()

    def write() -> list[float]:
        took = []
        for _ in range(20):
            begun = time.perf_counter()
            commit(org)
            took.append(time.perf_counter() - begun)
        return took

    took = await sync_to_async(write)()
    assert sorted(took)[10] < 1, "a layer call that was waited for takes LAYER_TIMEOUT, 2 s"
    async with asyncio.timeout(20):
        while "channel layer away" not in caplog.text:
            publisher.poke(org, 2)
            await asyncio.sleep(0.02)
    redis.thaw()
    # What was sent while it hung may still come out of its socket; a number that was not sent then is the proof.
    async with asyncio.timeout(20):
        heard = 0
        while heard != 99:
            publisher.poke(org, 99)
            with_it = asyncio.create_task(mailbox.next())
            done, _ = await asyncio.wait([with_it], timeout=0.3)
            if done:
                heard = with_it.result()["head"]
            else:
                with_it.cancel()
                await asyncio.gather(with_it, return_exceptions=True)


async def test_away_and_back_are_said_once_each(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    one = Publisher()
    redis.kill()

    def said() -> list[str]:
        return [record.message.partition(":")[0] for record in caplog.records if record.name == "streaming.publisher"]

    def poke_until(what: str) -> None:
        def pokes() -> bool:
            one.poke("a", 1)
            one.flush(timeout=1)
            return what in said()

        wait_until(pokes, within=10, what=what)

    def fail_again() -> bool:
        one.poke("a", 1)
        return incidents.counted(Incident.LAYER_FAILURE) >= before + 4

    before = incidents.counted(Incident.LAYER_FAILURE)
    await asyncio.to_thread(poke_until, "channel layer away, pokes are dropped")
    await asyncio.to_thread(wait_until, fail_again, within=10, what="further trials in vain")
    await asyncio.to_thread(redis.start)
    await asyncio.to_thread(poke_until, "channel layer back")
    assert said() == ["channel layer away, pokes are dropped", "channel layer back"]


async def test_few_pokes_are_under_way_at_once(
    redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STREAMING = {**settings.STREAMING, "LAYER_TIMEOUT": 10}
    under_way, most, sent = 0, 0, 0

    class Layer:
        async def group_send(self, group: str, message: Any) -> None:
            nonlocal under_way, most, sent
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.001)
            under_way -= 1
            sent += 1

    monkeypatch.setattr(publisher, "get_channel_layer", lambda alias: Layer())
    one = Publisher()
    for number in range(100):
        one.poke(f"org-{number}", 1)
    await asyncio.to_thread(one.flush, 10)
    assert (sent, most) == (100, publisher.AT_ONCE), "each that is under way costs the core layer a connection"


def test_a_layer_of_this_process_alone_is_not_poked(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    monkeypatch.setattr(publisher, "Publisher", lambda: pytest.fail("started for nobody"))
    monkeypatch.setattr(publisher, "_publisher", None)
    publisher.poke("a", 1)
    settings.CHANNEL_LAYERS = {}
    publisher.poke("a", 1)


def test_flushing_waits_until_the_pokes_are_given_up(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    one = Publisher()
    redis.freeze()
    one.poke("a", 1)
    one.flush(timeout=10)
    assert "channel layer away" in caplog.text
    one.poke("a", 2)
    one.flush(timeout=10)
    assert caplog.text.count("channel layer away") == 1, "while it is broken nothing is sent, so nothing can fail"


def test_an_inherited_publisher_is_neither_used_nor_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Publisher()
    monkeypatch.setattr(one, "_pid", -1)
    assert not one.usable
    one.flush(timeout=1000)


FORKING = """
import os, django
django.setup()
from streaming import incidents, publisher
publisher.poke({org!r}, 1)
publisher._publisher.flush(10)
pid = os.fork()
if pid == 0:
    publisher.poke({org!r}, 2)
    publisher._publisher.flush(10)
    os._exit(0)
raise SystemExit(os.waitpid(pid, 0)[1])
"""


async def test_a_forked_child_pokes_by_a_thread_of_its_own(redis: Redis, mailbox: Mailbox, org: str) -> None:
    def run() -> int:
        return subprocess.run(
            [PYTHON, "-W", "ignore", "-c", FORKING.format(org=org)],
            cwd=ROOT,
            env=for_child({"CHANNELS_URL": redis.channels_url, "DATABASE_URL": "sqlite://:memory:"}),
            timeout=60,
            check=False,
        ).returncode

    assert await asyncio.to_thread(run) == 0
    assert {(await mailbox.next())["head"] for _ in range(2)} == {1, 2}
