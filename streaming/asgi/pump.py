"""The process's one mailbox in the channel layer: joins the groups of the orgs that it serves, and hears their pokes.

A poke is a hint and is not trusted. No caller waits for a layer that is away: a call takes 250 ms at most, then the
breaker spares the layer for 5 s, and the watcher asks the heads more often. What makes it healthy again is a message
that comes the whole way, from a group back to this mailbox; then all groups are joined anew, for a layer that was
restarted has forgotten them without a word, and the heads are asked once for what no poke announced meanwhile.
Consumers never touch the layer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer

from streaming import conf, incidents
from streaming.core import wire
from streaming.core.breaker import Breaker, State
from streaming.incidents import Incident
from streaming.publisher import poke_message

try:
    from cryptography.fernet import InvalidToken
except ImportError:  # then no layer encrypts either

    class InvalidToken(Exception):  # type: ignore[no-redef]
        """Nothing raises it."""


logger = logging.getLogger("streaming.pump")

PROBE = "_probe"
"""The group of all serving processes, by which each hears itself."""

ECHO_WITHIN = 2.0
"""Seconds that a message to ourselves may take; nobody waits for it."""

AT_ONCE = 8
"""Calls of the layer under way at the same time: the core layer opens a connection for each."""

UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, AssertionError, InvalidToken)
"""What the layers raise for one message that they cannot read; it is gone then, and the next one may be good."""

UNREADABLE_IN_A_ROW = 1000
"""After so many the mailbox itself is in doubt."""


class Pump:
    """`on_poke(org, head)` hears the hints; `catch_up()` fetches what none announced, False where it could not."""

    def __init__(self, on_poke: Callable[[str, int], None], *, catch_up: Callable[[], Awaitable[bool]]) -> None:
        self._on_poke = on_poke
        self._catch_up = catch_up
        self._layer: Any = get_channel_layer(conf.streaming.LAYER)
        self._breaker = Breaker(spare=conf.streaming.BREAKER_SECONDS)
        self._name = secrets.token_hex(8)
        self._mailbox: str | None = None
        self._opened = asyncio.Event()
        self._orgs: set[str] = set()
        self._joined: set[str] = set()
        self._suspect = PROBE
        self._echoed = asyncio.Event()
        self._broke = asyncio.Event()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def embedded(self) -> bool:
        """True where pokes reach this process only."""
        return isinstance(self._layer, InMemoryChannelLayer) or self._layer is None

    @property
    def state(self) -> State:
        return self._breaker.state

    def start(self) -> None:
        if self._layer is not None:
            self._keep(self._receive())
        if not self.embedded:
            self._keep(self._keep_up())

    async def stop(self) -> None:
        """Leave the groups and end, within 2 s whatever the layer does."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                for org in self._joined | {PROBE}:
                    await self._leave(org)

    # -- what callers do -----------------------------------------------------------------------------------------------

    async def join(self, org: str) -> None:
        """Join an org's group; returns after 250 ms at the latest, whatever the layer does."""
        self._orgs.add(org)
        if org not in self._joined:
            await asyncio.wait([self._keep(self._join(org))], timeout=conf.streaming.LAYER_TIMEOUT)

    def leave(self, org: str) -> None:
        self._orgs.discard(org)
        if org in self._joined:
            self._joined.discard(org)
            self._keep(self._leave(org))

    def poke(self, org: str, head: int) -> None:
        """Tell the other processes that an org's log has grown."""
        if not wire.is_org(org):
            incidents.note(Incident.DAMAGED_ENTRY, "a row of the log names what is no org")
        elif self._breaker.closed and not self.embedded:
            self._keep(self._send(org, poke_message(org, head)))

    # -- calls of the layer --------------------------------------------------------------------------------------------

    async def _send(self, org: str, message: dict[str, Any], *, trial: bool = False) -> bool:
        return await self._call("group_send", org, message, trial=trial)

    async def _join(self, org: str, *, trial: bool = False) -> bool:
        if self._mailbox is None:
            return False
        joined = await self._call("group_add", org, self._mailbox, trial=trial)
        if joined and org in self._orgs:
            self._joined.add(org)
        elif joined and org != PROBE:
            await self._leave(org)  # it was let go meanwhile
        return joined

    async def _join_all(self) -> bool:
        return all([await self._join(org) for org in [PROBE, *self._orgs]])

    async def _leave(self, org: str) -> None:
        if self._mailbox is not None:
            await self._call("group_discard", org, self._mailbox)

    async def _call(self, method: str, org: str, argument: object, *, trial: bool = False) -> bool:
        """Call the layer within its time, unless it is being spared; False where it was, or did not answer."""
        async with self._turns:
            if not (trial or self._breaker.closed):
                return False
            try:
                async with asyncio.timeout(conf.streaming.LAYER_TIMEOUT):
                    await getattr(self._layer, method)(wire.group_name(org), argument)
            except Exception as error:
                # Whatever a layer raises: nothing depends on it.
                self._suspect = org
                self._failed(error)
                return False
            return True

    def _failed(self, error: Exception) -> None:
        incidents.count(Incident.LAYER_FAILURE)
        if self._breaker.failed(asyncio.get_running_loop().time()):
            logger.warning("channel layer away, polling the log faster: %r", error)
            self._broke.set()

    # -- the mailbox ---------------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        """Receive for ever; never with a time-out, which would unsubscribe the pub/sub layer."""
        while True:
            try:
                await self._open()
                await self._listen()
            except Exception as error:
                self._failed(error)
                self._mailbox = None
                self._opened.clear()
                self._joined.clear()

    async def _open(self) -> None:
        """Open a mailbox, as soon as the layer may be tried, and join the groups with it."""
        await self._spared()
        async with asyncio.timeout(ECHO_WITHIN):
            self._mailbox = str(await self._layer.new_channel("streaming"))
        self._opened.set()
        await self._join_all()

    async def _listen(self) -> None:
        """Hear one message after the other; raises where the layer fails, or holds nothing that can be read."""
        unreadable = 0
        while True:
            try:
                message = await self._layer.receive(self._mailbox)
            except UNREADABLE as error:
                incidents.note(Incident.DAMAGED_MESSAGE, f"a message of the channel layer cannot be read: {error!r}")
                unreadable += 1
                if unreadable == UNREADABLE_IN_A_ROW:
                    raise
                await asyncio.sleep(0)
            else:
                unreadable = 0
                self._hear(message)

    async def _spared(self) -> None:
        await asyncio.sleep(max(0.0, self._breaker.trial_at - asyncio.get_running_loop().time()))

    def _hear(self, message: object) -> None:
        """Take a poke that names an org of ours and a plausible head; drop anything else."""
        match message:
            case {"type": wire.POKE, "org": str(org), "head": int(head)} if wire.is_org(org) and head > 0:
                if org in self._orgs:
                    self._on_poke(org, head)
            case {"type": wire.PROBE, "from": str(name)}:
                if name == self._name:
                    self._echoed.set()
            case _:
                incidents.note(Incident.FORGED_MESSAGE, "a message of the channel layer is none of ours")

    # -- away and back -------------------------------------------------------------------------------------------------

    async def _keep_up(self) -> None:
        steps = {State.HEALTHY: self._rest, State.DEGRADED: self._try, State.RECOVERING: self._recover}
        while True:
            try:
                await steps[self._breaker.state]()
            except Exception:
                logger.exception("cannot look after the channel layer")
                await asyncio.sleep(1.0)

    async def _rest(self) -> None:
        """While healthy, join anew from time to time and listen for ourselves: FLUSHALL is no error to anybody."""
        self._broke.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(conf.streaming.REJOIN_EVERY):
                await self._broke.wait()
        if self._breaker.closed and await self._join_all():
            await self._hears_itself()

    async def _try(self) -> None:
        await self._spared()
        if await self._hears_itself() and self._breaker.answered():
            logger.info("channel layer answers, joining %d groups anew", len(self._orgs))

    async def _recover(self) -> None:
        if await self._join_all() and await self._catch_up():
            if self._breaker.recovered():
                self._suspect = PROBE
                logger.info("channel layer back")
        elif self._breaker.closed:
            await asyncio.sleep(1.0)

    async def _hears_itself(self) -> bool:
        """Send a message the whole way that a poke takes, and wait for it.

        It goes to the group of the call that failed last, too: of several hosts that one's may still be away.
        """
        message = {"type": wire.PROBE, "from": self._name}
        self._echoed.clear()
        try:
            async with asyncio.timeout(ECHO_WITHIN):
                await self._opened.wait()
                if not (await self._join(PROBE, trial=True) and await self._send(PROBE, message, trial=True)):
                    return False
                await self._echoed.wait()
        except TimeoutError:
            self._failed(TimeoutError("what is sent does not arrive"))
            return False
        return await self._send(self._suspect, message, trial=True)

    def _keep(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
