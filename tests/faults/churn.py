"""Tens of thousands of connections that come and go, and that everything is given back which they took."""

from __future__ import annotations

import asyncio
import time

from tests.acceptance.scene import Member
from tests.faults.cluster import BENT, Cluster
from tests.faults.eventsource import EventSource, Targets
from tests.faults.figures import Figure
from tests.faults.measures import resident
from tests.faults.probe import peep
from tests.faults.scenario import Run
from tests.servers import Server


async def churn(run: Run) -> list[Figure]:
    """50,000 connections opened and closed, at any moment of their opening; what they took is given back."""
    cycles = run.size(1_000, 50_000)
    async with Cluster(workers=1, application=BENT) as cluster:
        worker, member = cluster.workers[0], cluster.scene.members[0]
        servers = {cluster.postgres.port, cluster.redis.port}
        await cycle(worker, member, 500, run)  # pools and caches fill up
        before = await settled(worker, servers)
        begun = time.monotonic()
        await cycle(worker, member, cycles, run)
        took = time.monotonic() - begun
        after = await settled(worker, servers, like=before)
        return [
            *(
                Figure(
                    asked=f"{what} as before",
                    measured=f"{before[what]} before, {after[what]} after",
                    good=before[what] == after[what],
                )
                for what in before
            ),
            Figure(
                asked=f"{cycles} connections opened and closed",
                measured=f"{cycles / took:.0f}/s, {resident(cluster):.0f} MiB",
                good=True,
            ),
        ]


class Fleeting(EventSource):
    """A client that leaves after so many blocks: before the response, after its head, or once it is caught up."""

    def __init__(self, port: int, member: Member, blocks: int) -> None:
        super().__init__(Targets([port]), token=member.token)
        self._blocks = blocks
        self.left = asyncio.Event()

    def opened(self) -> None:
        self._count()

    def heard(self, raw: bytes) -> None:
        self._count()

    def closed(self) -> None:
        self.left.set()

    def _count(self) -> None:
        self._blocks -= 1
        if self._blocks <= 0:
            self.hold()


async def cycle(worker: Server, member: Member, cycles: int, run: Run) -> None:
    """Open and close connections, 100 at a time."""
    turns = asyncio.Semaphore(100)

    async def once(blocks: int) -> None:
        client = Fleeting(worker.port, member, blocks)
        running = asyncio.create_task(client.run())
        if blocks == 0:
            await asyncio.sleep(run.random.uniform(0, 0.02))
            client.hold()
        await asyncio.wait([running, asyncio.create_task(client.left.wait())], return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        await asyncio.wait([running])
        turns.release()

    calls: set[asyncio.Task[None]] = set()
    for _ in range(cycles):
        await turns.acquire()
        task = asyncio.create_task(once(run.random.randrange(4)))
        calls.add(task)
        task.add_done_callback(calls.discard)
    await asyncio.gather(*calls)


async def settled(
    worker: Server, servers: set[int], *, like: dict[str, int] | None = None, within: float = 30
) -> dict[str, int]:
    """Return what a worker holds once nobody is connected: when it is what it was, or else does not change any more."""
    deadline = time.monotonic() + within
    last: dict[str, int] = {}
    while True:
        held = await peep(worker)
        held["files"] = _files(worker, servers)
        if held == like or (like is None and held == last) or time.monotonic() > deadline:
            return held
        last = held
        await asyncio.sleep(1)


def _files(worker: Server, servers: set[int]) -> int:
    """Count a worker's files without its connections to database and Redis: pools hold few or many, as last used."""
    process = worker.family()[0]
    pools = [one for one in process.net_connections("inet") if one.raddr and one.raddr.port in servers]
    return process.num_fds() - len(pools)
