"""The process's one mailbox in the channel layer: joins the groups of the orgs that it serves, and hears their pokes.

A poke is a hint and is not trusted. When the layer is away, nothing waits for it: calls are bounded, a breaker spares
them for a while, and the watcher asks the heads more often. Consumers never touch the layer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer

from streaming import conf
from streaming.core import wire
from streaming.publisher import poke_message

logger = logging.getLogger("streaming.pump")


PROBE = "_probe"
"""The group that nobody joins, by which a layer that was away is asked whether it is back."""


class Pump:
    def __init__(self, on_poke: Callable[[str, int], None]) -> None:
        self._on_poke = on_poke
        self._layer: Any = get_channel_layer(conf.streaming.LAYER)
        self._mailbox: str | None = None
        self._orgs: set[str] = set()
        self._joined: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._broken_until = 0.0
        self._broke = asyncio.Event()
        self.failures = 0

    @property
    def embedded(self) -> bool:
        """True where pokes reach this process only."""
        return isinstance(self._layer, InMemoryChannelLayer) or self._layer is None

    @property
    def healthy(self) -> bool:
        return self._broken_until == 0.0

    def start(self) -> None:
        if self._layer is not None:
            self._keep(self._receive())
            self._keep(self._rejoin())

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._mailbox is not None:
            for org in list(self._joined):
                await self._guarded(self._layer.group_discard(wire.group_name(org), self._mailbox))

    async def join(self, org: str) -> None:
        """Join an org's group; returns after 250 ms at the latest, whatever the layer does."""
        self._orgs.add(org)
        if org not in self._joined:
            await self._join(org)

    def leave(self, org: str) -> None:
        self._orgs.discard(org)
        if org in self._joined and self._mailbox is not None:
            self._joined.discard(org)
            self._keep(self._guarded(self._layer.group_discard(wire.group_name(org), self._mailbox)))

    def poke(self, org: str, head: int) -> None:
        """Tell the other processes that an org's log has grown."""
        if not self.embedded:
            self._keep(self._send(org, poke_message(org, head)))

    async def _send(self, org: str, message: dict[str, Any]) -> None:
        """Send to an org's group. Only this proves that the layer answers: joining one may ask nobody."""
        if await self._guarded(self._layer.group_send(wire.group_name(org), message)):
            self._mended()

    async def _join(self, org: str) -> None:
        if self._layer is None or self._mailbox is None:
            return
        if await self._guarded(self._layer.group_add(wire.group_name(org), self._mailbox)):
            self._joined.add(org)

    async def _guarded(self, call: Awaitable[Any]) -> bool:
        """Await a layer call within its time; after a failure the breaker spares the calls for 5 s."""
        if asyncio.get_running_loop().time() < self._broken_until:
            if asyncio.iscoroutine(call):
                call.close()
            return False
        try:
            async with asyncio.timeout(conf.streaming.LAYER_TIMEOUT):
                await call
        except Exception as error:
            # Whatever a layer raises: nothing depends on it.
            self._failed(error)
            return False
        return True

    def _failed(self, error: Exception) -> None:
        if self.healthy:
            logger.warning("channel layer away, polling the log faster: %r", error)
        self.failures += 1
        self._broken_until = asyncio.get_running_loop().time() + conf.streaming.BREAKER_SECONDS
        self._broke.set()

    def _mended(self) -> None:
        if not self.healthy:
            logger.info("channel layer back")
            self._broken_until = 0.0

    async def _receive(self) -> None:
        """Receive pokes for ever; never with a time-out, which would unsubscribe the pub/sub layer."""
        while True:
            try:
                if self._mailbox is None:
                    self._mailbox = await self._layer.new_channel("streaming")
                    await self._join_all()
                message = await self._layer.receive(self._mailbox)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self._failed(error)
                self._mailbox = None
                self._joined.clear()
                await asyncio.sleep(1.0)
                continue
            self._hear(message)

    def _hear(self, message: object) -> None:
        """Take a poke that names an org of ours and a plausible head; drop anything else."""
        match message:
            case {"type": wire.POKE, "org": str(org), "head": int(head)} if org in self._orgs and head > 0:
                self._on_poke(org, head)

    async def _rejoin(self) -> None:
        """Join again from time to time: a layer that was restarted has forgotten its groups without a word."""
        while True:
            if self.healthy:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._broke.wait(), conf.streaming.REJOIN_EVERY)
            else:
                await asyncio.sleep(1.0)
                await self._send(PROBE, {"type": "stream.probe"})
            self._broke.clear()
            if self.healthy and not self.embedded:
                await self._join_all()

    async def _join_all(self) -> None:
        for org in list(self._orgs):
            await self._join(org)

    def _keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
