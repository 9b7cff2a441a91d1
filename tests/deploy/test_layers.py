"""The channel layers that CHANNELS_URL may name, each on a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from django.utils.module_loading import import_string

from redline.channel_layer import channel_layer
from tests import services
from tests.deploy import certificates
from tests.deploy.sentinel import MASTER, Watched
from tests.servers import serve

pytestmark = pytest.mark.servers
# A layer's scheme, and what one of its connections does in Redis while it waits for a message.
PUBSUB, CORE = ("redis+pubsub", b"cmd=subscribe"), ("redis", b"cmd=bzpopmin")
KEY = "a-key-for-messages-that-is-long-enough"


class Wire:
    """One process's end of a layer: a channel in one group, and what arrives there."""

    def __init__(self, layer: Any, channel: str, group: str) -> None:
        self.layer = layer
        self.channel = channel
        self.group = group
        self._heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._receiving = asyncio.ensure_future(self._receive())

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, group: str = "orders", **told: Any) -> AsyncIterator[Wire]:
        config = channel_layer(url, **told)
        layer = import_string(config["BACKEND"])(**config["CONFIG"])
        try:
            channel = await layer.new_channel()
            await layer.group_add(group, channel)
            wire = cls(layer, channel, group)
            try:
                yield wire
            finally:
                while not wire._receiving.done():  # the core layer may turn a cancellation into another error
                    wire._receiving.cancel()
                    await asyncio.wait([wire._receiving], timeout=1)
        finally:
            await layer.flush()

    async def send(self) -> None:
        await self.layer.group_send(self.group, {"type": "poke", "head": 7})

    async def hears(self, *, within: float = 5) -> bool:
        """Say whether a message arrives, or has arrived, in time."""
        with contextlib.suppress(TimeoutError):
            return (await asyncio.wait_for(self._heard.get(), within))["head"] == 7
        return False

    async def _receive(self) -> None:
        """Receive for ever, as the pump does; never within a time-out, which would unsubscribe the pub/sub layer."""
        while True:
            try:
                self._heard.put_nowait(await self.layer.receive(self.channel))
            except Exception:
                await asyncio.sleep(0.1)


def url(scheme: str) -> str:
    return services.redis().url.replace("redis", scheme, 1)


@pytest.mark.parametrize("scheme", ["redis", "redis+pubsub"])
async def test_a_message_crosses_redis_encrypted_and_who_lacks_the_key_reads_nothing(scheme: str) -> None:
    async with (
        Wire.open(url(scheme), encryption_keys=[KEY]) as here,
        Wire.open(url(scheme), encryption_keys=[KEY[::-1], KEY]) as rotated,
        Wire.open(url(scheme), encryption_keys=[KEY[::-1]]) as stranger,
    ):
        await here.send()
        assert await here.hears()
        assert await rotated.hears()
        assert not await stranger.hears(within=0.2)


@pytest.mark.parametrize("scheme", ["redis", "redis+pubsub"])
async def test_a_quiet_connection_outlives_the_time_outs(scheme: str) -> None:
    config = channel_layer(url(scheme))
    layer = import_string(config["BACKEND"])(**config["CONFIG"])
    channel = await layer.new_channel()
    receiving = asyncio.ensure_future(layer.receive(channel))
    short = channel_layer("redis+pubsub://h")["CONFIG"]["hosts"][0]["socket_timeout"]
    gave_up, _ = await asyncio.wait([receiving], timeout=5.5 if scheme == "redis" else short + 1)
    assert not gave_up, "an idle connection gave up"
    await layer.send(channel, {"type": "poke"})
    assert (await asyncio.wait_for(receiving, 5))["type"] == "poke"
    await layer.flush()


async def test_a_redis_that_hangs_holds_nobody_for_long() -> None:
    server = services.redis("hangs")
    async with Wire.open(server.channels_url) as here:
        await here.send()
        server.freeze()
        try:
            begun = time.monotonic()
            with pytest.raises(Exception, match=r"(?i)time"):
                await here.send()
            assert time.monotonic() - begun < 5
        finally:
            server.thaw()


@pytest.mark.parametrize("scheme", ["redis", "redis+pubsub"])
async def test_several_hosts_share_the_groups(scheme: str) -> None:
    ports = [services.redis().port, services.redis("second").port]
    hosts = f"{scheme}://" + ",".join(f"127.0.0.1:{port}" for port in ports) + "/0"
    groups = [f"org-{number}" for number in range(12)]
    async with contextlib.AsyncExitStack() as stack:
        for group in groups:
            here, there = [await stack.enter_async_context(Wire.open(hosts, group=group)) for _ in range(2)]
            await there.send()
            assert await here.hears()
        load = [services.redis(name).command("INFO commandstats").count(b"cmdstat_") for name in ("shared", "second")]
        assert min(load) > 1, "one of the hosts had nothing to do"


@pytest.mark.parametrize("scheme", ["rediss", "rediss+pubsub"])
async def test_messages_go_over_tls_to_the_host_that_the_certificate_names(scheme: str) -> None:
    async with tls_in_front_of(services.redis().port) as port:
        secured = f"{scheme}://localhost:{port}/0"
        async with Wire.open(f"{secured}?ssl_ca_certs={certificates.certificate()[0]}") as here:
            await here.send()
            assert await here.hears()
        with pytest.raises(Exception, match=r"(?i)certificate"):
            async with Wire.open(secured):
                pass


@asynccontextmanager
async def tls_in_front_of(port: int) -> AsyncIterator[int]:
    """Take TLS from connections and pass on what they say to a port of this machine."""
    at_work: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        for one in (pump(reader, inner_writer), pump(inner_reader, writer)):
            at_work.add(asyncio.ensure_future(one))

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificates.server()) as server:
        yield server.sockets[0].getsockname()[1]
    for task in at_work:
        task.cancel()
    await asyncio.gather(*at_work, return_exceptions=True)


@pytest.mark.parametrize(("scheme", "waiting"), [PUBSUB, pytest.param(*CORE, marks=pytest.mark.long)])
def test_a_server_follows_its_sentinels_to_the_new_master_though_the_first_of_them_is_away(
    scheme: str, waiting: bytes
) -> None:
    with Watched() as watched:
        hosts = ",".join(f"127.0.0.1:{port}" for port in (1, *watched.ports))  # nothing listens on port 1
        told = {"CHANNELS_SENTINEL_MASTER": MASTER}
        with serve("uvicorn", channels_url=f"{scheme}://{hosts}/0", env=told) as server:
            for master in (watched.first, watched.second):
                server.wait_until(
                    lambda: waiting in master.command("CLIENT LIST"),  # noqa: B023 - called at once
                    within=40,
                    what="the server waits for messages at the master",
                )
                watched.first.kill()
        role = watched.second.command("ROLE")
    assert role.startswith(b"*3\r\n$6\r\nmaster"), role
