"""The house under test: a PostgreSQL, a Redis, workers each on a port of its own, writers in other processes.

Workers are single servers rather than one server's `--workers`: each can be killed, frozen and started again by
itself, and clients whose worker is gone connect to another, as behind a load balancer.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Literal, Self

from tests import services
from tests.acceptance.history import Event, History, Write
from tests.acceptance.house import Clerk
from tests.acceptance.scene import UNLIMITED, Scene
from tests.environment import for_child
from tests.faults import bent
from tests.faults.eventsource import Targets
from tests.faults.writing import Writers, Writing
from tests.servers import APPLICATION, Kind, Server, fresh_database, serve

RAISED = re.compile(r"[\w.]+(Error|Exception|Timeout)\b")
"""The line that ends a traceback."""
Layer = Literal["pubsub", "core"]
BENT = "tests.faults.bent_asgi:application"
UNMEASURED = {"COVERAGE_PROCESS_CONFIG": None}
"""Coverage would be measured in processes that are killed, and would make the rest slower."""


class Cluster:
    """Started and ended by `async with`; has orgs, tokens and open ports from then on."""

    def __init__(
        self,
        *,
        orgs: int = 1,
        workers: int = 2,
        kind: Kind = "uvicorn",
        layer: Layer = "pubsub",
        application: str = APPLICATION,
        env: Mapping[str, str | None] | None = None,
        each: Sequence[Mapping[str, str | None]] = (),
        statements: bool = False,
    ) -> None:
        """`each` holds further variables of single workers, in their order; with `statements` they are counted."""
        if bent.MUTANT in os.environ:
            application = BENT
        self.history = History()
        self.postgres = services.postgres("laboratory")
        self.redis = services.redis("laboratory")
        if statements:
            self.postgres.preload("pg_stat_statements")
        self.database_url = fresh_database("postgres", cluster=self.postgres)
        self.channels_url = self.redis.channels_url if layer == "pubsub" else self.redis.url
        self.scene = Scene(database_url=self.database_url, channels_url=self.channels_url)
        self.database = self.database_url.rpartition("/")[2]
        self.workers: list[Server] = []
        self._orgs = orgs
        self._writers: list[Writers] = []
        self._writing = 0
        each = [*each, *({} for _ in range(workers - len(each)))]
        self._starting = [
            serve(
                kind,
                database_url=self.database_url,
                channels_url=self.channels_url,
                application=application,
                env={**UNLIMITED, **UNMEASURED, **(env or {}), **one},
            )
            for one in each
        ]

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._start)
        self.targets = Targets([worker.port for worker in self.workers])
        return self

    def _start(self) -> None:
        with ThreadPoolExecutor() as pool:
            prepared = pool.submit(self.scene.prepared, orgs=self._orgs)
            self.workers = list(pool.map(lambda starting: starting.start(), self._starting))
            prepared.result()
        self.history.origins = {org: sequence for org, (_, sequence) in self.scene.heads().items()}

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            for worker in self.workers:
                print(f"a worker said last:\n{worker.tail()}")
        self.redis.thaw()
        for writers in self._writers:
            writers.kill()
        with ThreadPoolExecutor() as pool:
            # Killed, not asked: how they end in order is a scenario of its own.
            await asyncio.gather(
                *(asyncio.get_running_loop().run_in_executor(pool, worker.kill) for worker in self.workers)
            )

    async def write(
        self,
        *,
        writers: int,
        rate: float,
        seed: int,
        negligent: float = 0.1,
        wait: bool = False,
        bursts: float = 0.0,
        env: Mapping[str, str | None] | None = None,
    ) -> Writers:
        """Start writers that together write `rate` events a second, until they are stopped.

        With `wait` they are there, and begin when they are told to; with `bursts` all write at once, every so many
        seconds, and nobody in between.
        """
        orgs = ",".join(member.org for member in self.scene.members)
        variables = for_child(
            {
                "DATABASE_URL": self.database_url,
                "CHANNELS_URL": self.channels_url,
                "DJANGO_SETTINGS_MODULE": "redline.settings",
                **UNMEASURED,
                **(env or {}),
            }
        )
        started = []
        for _ in range(writers):
            self._writing += 1
            argv = ["--writer", str(self._writing), "--seed", str(seed), "--orgs", orgs, "--rate", str(rate / writers)]
            argv += ["--negligent", str(negligent), "--bursts", str(bursts), *(["--wait"] if wait else [])]
            started.append(Writing(argv, variables))
        self._writers.append(Writers(started, lambda: self.history.writes))
        await self._writers[-1].ready()
        return self._writers[-1]

    @asynccontextmanager
    async def clerk(self, module: str = "tests.faults.clerk") -> AsyncIterator[Clerk]:
        """Have a clerk, who writes on request."""
        clerk = Clerk(self.database_url, self.channels_url, module=module)
        try:
            yield clerk
        finally:
            await asyncio.to_thread(clerk.close)

    async def emit(self, clerk: Clerk, org: str, count: int, *, width: int = 0) -> None:
        """Have the clerk emit events, as one writer's transaction, each some `width` longer."""
        start = 1 + sum(len(write.events) for write in self.history.writes)
        await clerk.emit(org=org, count=count, start=start, width=width)
        events = tuple(Event(org, f"change.detected:chg_{number}") for number in range(start, start + count))
        self.history.writes.append(Write(writer=0, number=start, committed=True, events=events, at=time.monotonic()))

    async def cursors(self, clerk: Clerk, org: str) -> list[str]:
        """Return the cursor of every entry, once all are sequenced."""
        await self.scene.settled()
        cursors: list[str] = await clerk.cursors(org=org)
        return cursors

    def errors(self) -> list[str]:
        """Return the lines of all workers' logs that tell of an error, and those that end a traceback.

        A save that was answered by 503 is told as an error too, by Django, and is none: the database was away.
        """
        found = []
        for worker in self.workers:
            found += [line for line in worker.log().splitlines() if " ERROR " in line or RAISED.match(line)]
        return [line for line in found if " Service Unavailable: " not in line]
