"""A whole scene: a database with orgs, servers on it, writers as processes, clients over real sockets.

`Scene.prepared()` makes orgs and tokens, `write()` runs writers to their end and reads their journals into the
history, `Follower` is a client that connects, cuts and resumes as a native EventSource would: by the last id it has
seen, in the header. Nothing waits by the clock alone; what does not come in time is simply missing from the history,
and the checker says so.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import psycopg

from tests import services
from tests.acceptance.history import Connection, Event, History, Reader, Write
from tests.environment import PYTHON, ROOT, for_child
from tests.processes import wait_until
from tests.servers import Server, fresh_database
from tests.sse_client import SSE
from tests.sse_parser import Block

Database = Literal["sqlite", "postgres"]
Heads = dict[str, tuple[str, int]]
"""Each org's head: its cursor and its sequence."""
UNLIMITED = {"STREAM_MAX_PER_USER": "0", "STREAM_MAX_PER_ORG": "0"}


class WasReset(Exception):
    """The server called a cursor void that it had given out."""


@dataclass(frozen=True, kw_only=True)
class Member:
    org: str
    user: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(kw_only=True)
class Scene:
    database_url: str
    channels_url: str | None
    members: list[Member] = field(default_factory=list)

    @classmethod
    def on(cls, kind: Database) -> Self:
        channels = services.redis().channels_url if kind == "postgres" else None
        return cls(database_url=fresh_database(kind), channels_url=channels)

    def prepared(self, *, orgs: int) -> Self:
        self.members = [Member(**one) for one in json.loads(self.run("prepare", "--orgs", str(orgs)))]
        return self

    def run(self, *args: str) -> str:
        """Run a command of the writers to its end and return what it said."""
        return self._run(self._argv(*args))

    async def write(
        self, history: History, *, writers: int, events: int, seed: int, rate: float = 0, first: int = 0, steps: int = 3
    ) -> None:
        """Run writers, numbered from `first`, to their end; together they commit at least `events`, over all orgs."""
        if not history.writes:
            history.origins = {org: sequence for org, (_, sequence) in self.heads().items()}
        orgs = ",".join(member.org for member in self.members)
        share = str(-(-events // writers))
        argvs = [
            self._argv(
                *("write", "--writer", str(number), "--seed", str(seed), "--orgs", orgs),
                *("--events", share, "--rate", str(rate / writers), "--steps", str(steps)),
            )
            for number in range(first, first + writers)
        ]
        for journal in await asyncio.gather(*(asyncio.to_thread(self._run, argv) for argv in argvs)):
            history.writes += map(read_write, journal.splitlines())

    def heads(self) -> Heads:
        """Return the head cursor and sequence of each org, as the database has them; by SQL, not by the engine."""
        rows = self.rows("SELECT org, epoch, sequence, fingerprint FROM streaming_head")
        return {org: (f"{epoch}.{sequence}.{fingerprint}", sequence) for org, epoch, sequence, fingerprint in rows}

    def cursors(self, org: str, most: int) -> list[str]:
        """Return cursors of the newest entries."""
        epoch = self.heads()[org][0].partition(".")[0]
        rows = self.rows(
            f"SELECT sequence, uid FROM streaming_logentry WHERE org = '{org}' AND sequence IS NOT NULL"
            f" ORDER BY sequence DESC LIMIT {most}"
        )
        return [f"{epoch}.{sequence}.{str(uid)[:8]}" for sequence, uid in rows]

    def waiting(self) -> int:
        return int(self.rows("SELECT count(*) FROM streaming_logentry WHERE sequence IS NULL")[0][0])

    def rows(self, sql: str) -> list[Any]:
        if self.database_url.startswith("sqlite"):
            with closing(sqlite3.connect(self.database_url.removeprefix("sqlite:///"), timeout=20)) as connection:
                return connection.execute(sql).fetchall()
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(sql).fetchall()

    async def settled(self, *, within: float = 10) -> Heads:
        """Wait until nothing is left to be sequenced, and return the heads."""
        sequenced = "nothing waits to be sequenced"
        await asyncio.to_thread(wait_until, lambda: not self.waiting(), within=within, what=sequenced)
        return await asyncio.to_thread(self.heads)

    def _run(self, argv: list[str]) -> str:
        done = subprocess.run(argv, capture_output=True, check=False, **self._how())
        if done.returncode:
            raise RuntimeError(f"a writer failed:\n{done.stderr[-3000:]}")
        sys.stderr.write(done.stderr)  # a warning of a slow layer is no failure, and no part of what was asked for
        return str(done.stdout)

    def _argv(self, *args: str) -> list[str]:
        return [PYTHON, "-m", "tests.acceptance.writers", *args]

    def _how(self) -> dict[str, Any]:
        variables = {
            "DATABASE_URL": self.database_url,
            "CHANNELS_URL": self.channels_url,
            "DJANGO_SETTINGS_MODULE": "redline.settings",
        }
        return {"cwd": ROOT, "env": for_child(variables), "text": True, "timeout": 600}


def read_write(line: str) -> Write:
    told = json.loads(line)
    events = tuple(Event(org, one) for org, one in told["events"])
    return Write(**{**told, "events": events})


class Follower:
    """One client of one org: connects, is cut at random, resumes, until it stands at the head that it is told."""

    def __init__(
        self, url: str, member: Member, history: History, *, seed: str, patience: float = 0, cursor: str = ""
    ) -> None:
        """`patience` is how many blocks it reads on average before its connection is cut; 0 for no cuts."""
        self.name = seed
        self.member = member
        self.connects = 0
        self.opened = asyncio.Event()
        self._url = f"{url}/v1/stream"
        self._history = history
        self._random = random.Random(seed)
        self._patience = patience
        self._cursor = cursor
        self._reader: Reader | None = None
        self._goal: tuple[str, int] | None = None

    async def run(self) -> None:
        """Follow until the goal is reached."""
        while not self._arrived():
            await self._connect()

    def finish_at(self, goal: tuple[str, int]) -> None:
        """Say at which cursor everything ends; from here on nothing is cut."""
        self._goal = goal
        if self._reader is not None:
            self._reader.end = goal[1]

    def _arrived(self) -> bool:
        return self._goal is not None and self._cursor == self._goal[0]

    async def _connect(self) -> None:
        self.connects += 1
        left = self._random.expovariate(1 / self._patience) if self._patience and self._goal is None else None
        headers = self.member.headers | ({"Last-Event-ID": self._cursor} if self._cursor else {})
        async with SSE.open(self._url, headers=headers) as stream:
            assert stream.status == 200, await stream.body()
            connection = self._begin(await stream.next())
            while not self._arrived() and (left is None or left > 0 or self._goal is not None):
                try:
                    self._take(await stream.next(timeout=0.5), connection)
                except TimeoutError:
                    continue  # quiet; perhaps this is the end by now
                left = None if left is None else left - 1
            stream.cut(reset=self._random.random() < 0.5)

    def _begin(self, block: Block) -> Connection:
        """Note where a connection starts; its first block says so."""
        assert block.event == "stream.open", block
        self._cursor = block.id or ""
        at = int(self._cursor.split(".")[1])
        if self._reader is None:
            self._reader = self._history.reader(self.name, self.member.org, start=at)
            self._reader.end = self._goal[1] if self._goal is not None else at
        self.opened.set()
        return self._reader.begin(at)

    def _take(self, block: Block, connection: Connection) -> None:
        self._cursor = block.last_event_id
        if block.event == "stream.reset":
            raise WasReset(f"{self.name} at {self._cursor}: {block.data}")
        if block.event and block.data and not block.event.startswith("stream."):
            connection.seen.append(self._history.seen(block.id or "", block.event, block.data))


class Following:
    """Runs followers while the block lasts, all of them connected when it begins.

    When the block fails, what the server has said last is printed.
    """

    def __init__(self, server: Server, followers: Iterable[Follower] = ()) -> None:
        self.followers: list[Follower] = []
        self.url = server.url
        self._server = server
        self._running: list[asyncio.Task[None]] = []
        self.add(followers)

    async def __aenter__(self) -> Self:
        await self.connected()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            print(f"the server said last:\n{self._server.tail()}")
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def add(self, followers: Iterable[Follower]) -> None:
        for follower in followers:
            self.followers.append(follower)
            self._running.append(asyncio.create_task(follower.run()))

    async def connected(self, *, within: float = 20) -> None:
        """Wait until each has been answered once; whoever failed is heard at once."""
        opened = asyncio.gather(*(follower.opened.wait() for follower in self.followers))
        await asyncio.wait([opened, *self._running], timeout=within, return_when=asyncio.FIRST_COMPLETED)
        self._raise()
        await asyncio.wait_for(opened, within)

    async def to_the_end(self, heads: Heads, *, within: float) -> None:
        """Tell all where it ends and wait for them; who does not arrive in time shows as `lost`."""
        for follower in self.followers:
            follower.finish_at(heads[follower.member.org])
        await asyncio.wait(self._running, timeout=within)
        self._raise()

    def _raise(self) -> None:
        for task in self._running:
            if task.done():
                task.result()
