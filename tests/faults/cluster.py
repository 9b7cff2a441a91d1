"""The house under test: a PostgreSQL, a Redis, workers each on a port of its own, writers in other processes.

Workers are single servers rather than one server's `--workers`: each can be killed, frozen and started again by
itself, and clients whose worker is gone connect to another, as behind a load balancer.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, Self

from tests import services
from tests.acceptance.history import Event, History, Write
from tests.acceptance.house import Clerk
from tests.acceptance.scene import UNLIMITED, Scene, read_write
from tests.environment import PYTHON, for_child
from tests.faults import bent
from tests.faults.eventsource import Targets
from tests.leftovers import directory
from tests.processes import Process
from tests.servers import APPLICATION, Kind, Server, fresh_database, serve

RAISED = re.compile(r"[\w.]+(Error|Exception|Timeout)\b")
"""The line that ends a traceback."""
Layer = Literal["pubsub", "core"]
BENT = "tests.faults.bent_asgi:application"
UNMEASURED = {"COVERAGE_PROCESS_CONFIG": None}
"""Coverage would be measured in processes that are killed, and would make the rest slower."""


class Writing:
    """One writer's process, its journal in a file."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self._journal = Path(tempfile.mkstemp(prefix="journal-", dir=directory())[1])
        argv = [PYTHON, "-m", "tests.faults.writers", "--journal", str(self._journal), *argv]
        self._process = Process(argv, name="writer", env=env)
        self._process.spawn()

    def ready(self) -> None:
        self._process.wait_for_output("ready", within=30)

    def go(self) -> None:
        self._process.signal(signal.SIGUSR1)

    def stop(self) -> None:
        self._process.signal(signal.SIGTERM)

    def end(self, history: History) -> None:
        """Wait for its end and take its journal into the history."""
        code = self._process.process.wait(1_000)
        self._process.terminate()
        if code:
            raise RuntimeError(f"a writer ended with {code}:\n{self._process.tail()}")
        history.writes += map(read_write, self._journal.read_text().splitlines())


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
        events: int = 0,
        negligent: float = 0.1,
        wait: bool = False,
        bursts: float = 0.0,
        env: Mapping[str, str | None] | None = None,
    ) -> Writers:
        """Start writers that together write `rate` events a second, until they are stopped or have written `events`.

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
            argv += ["--events", str(-(-events // writers)), "--negligent", str(negligent)]
            argv += ["--bursts", str(bursts)] + (["--wait"] if wait else [])
            started.append(Writing(argv, variables))
        await asyncio.gather(*(asyncio.to_thread(writing.ready) for writing in started))
        return Writers(self, started)

    @asynccontextmanager
    async def clerk(self, module: str = "tests.faults.clerk") -> AsyncIterator[Clerk]:
        """Have a clerk, who writes on request."""
        clerk = Clerk(self.database_url, self.channels_url, module=module)
        try:
            yield clerk
        finally:
            await asyncio.to_thread(clerk.close)

    async def emit(self, clerk: Clerk, org: str, count: int, *, width: int = 0) -> list[str]:
        """Have the clerk emit events, as one writer's transaction, each some `width` longer; returns their cursors."""
        start = 1 + sum(len(write.events) for write in self.history.writes)
        cursors: list[str] = await clerk.emit(org=org, count=count, start=start, width=width)
        events = tuple(Event(org, f"change.detected:chg_{number}") for number in range(start, start + count))
        self.history.writes.append(Write(writer=0, number=start, committed=True, events=events, at=time.monotonic()))
        return cursors

    def errors(self) -> list[str]:
        """Return the lines of all workers' logs that tell of an error, and those that end a traceback."""
        found = []
        for worker in self.workers:
            found += [line for line in worker.log().splitlines() if " ERROR " in line or RAISED.match(line)]
        return found


class Writers:
    """Several writers that run."""

    def __init__(self, cluster: Cluster, running: Sequence[Writing]) -> None:
        self._cluster = cluster
        self._running = running

    def go(self) -> None:
        """Let those begin that wait."""
        for writing in self._running:
            writing.go()

    async def stop(self) -> None:
        for writing in self._running:
            writing.stop()
        await self.end()

    async def end(self) -> None:
        """Wait until each has ended by itself or was stopped, and take their journals into the history."""
        await asyncio.gather(*(asyncio.to_thread(writing.end, self._cluster.history) for writing in self._running))
