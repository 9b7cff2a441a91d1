"""Sequencers that die at any of their steps, or stop with the lock in their hands."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

from tests.acceptance.history import Event, Write
from tests.acceptance.house import Clerk
from tests.faults.cluster import Cluster
from tests.faults.crowd import Crowd, slowed
from tests.faults.figures import Figure, at_most, clean, none
from tests.faults.scenario import Run

POINTS = """
    after-the-commit before-the-heads before-the-lock after-the-lock after-the-numbers after-the-head
    after-the-numbering before-the-poke before-the-second-look after-the-second-look
    """.split()
"""The steps of `tests.faults.mortal`, in their order."""
HELD = 13.0
"""Seconds after which a frozen process has lost its lock, and a sweeper has found what waits."""
SWEPT = 3.0
"""Seconds within which somebody else has to take over what a dead sequencer has left: sweeps come every second."""


class Doomed:
    """Writers that stop where they are told to; what they have committed stands in the history."""

    def __init__(self, cluster: Cluster, clerk: Clerk) -> None:
        self._cluster = cluster
        self._clerk = clerk
        self._numbers = itertools.count(1_000)

    async def stop(self, point: str, org: str) -> int | None:
        """Have one writer stop at a point; returns its process, None where it was never there."""
        told: dict[str, Any] = await self._clerk.stop(point=point, org=org)
        self._cluster.history.writes.append(
            Write(
                writer=next(self._numbers),
                number=1,
                committed=True,
                events=(Event(org, told["event"]),),
                at=time.monotonic(),
            )
        )
        return told["pid"] if told["stopped"] else None

    async def kill(self, pid: int) -> None:
        await self._clerk.kill(pid=pid)

    async def thaw(self, pid: int) -> None:
        await self._clerk.thaw(pid=pid)


async def sequencers_killed(run: Run) -> list[Figure]:
    """SIGKILL a sequencer at each of its steps, again and again, while others sequence."""
    clients, times = run.size(20, 50), run.size(3, 50)
    async with (
        Cluster(orgs=3) as cluster,
        Crowd(cluster, clients=clients) as crowd,
        cluster.clerk("tests.faults.mortal") as clerk,
    ):
        doomed = Doomed(cluster, clerk)
        writers = await cluster.write(writers=1, rate=20, seed=run.seed)
        killed = dict.fromkeys(POINTS, 0)
        while min(killed.values()) < times:
            for point in POINTS:
                org = run.random.choice(cluster.scene.members).org
                pid = await doomed.stop(point, org) if killed[point] < times else None
                if pid is not None:
                    await doomed.kill(pid)
                    killed[point] += 1
        await writers.stop()
        anomalies = await crowd.verdict()
        return [
            clean(anomalies),
            at_most("delivery, the slowest", max(crowd.delays()), SWEPT),
            none("streams closed", crowd.cuts(since=0)),
            Figure(
                asked=f"killed {times}× at each of {len(POINTS)} steps",
                measured=f"{sum(killed.values())} killed, {cluster.history.committed} events committed",
                good=True,
            ),
        ]


async def sequencer_frozen(run: Run) -> list[Figure]:
    """Freeze a sequencer that holds the lock of one org's head; nobody else is to notice, and nobody's writes.

    At full length its org is not to wait for ever either: the database takes the lock away.
    """
    seconds = run.size(4, 20)
    async with (
        Cluster(orgs=3) as cluster,
        Crowd(cluster, clients=run.size(30, 60)) as crowd,
        cluster.clerk("tests.faults.mortal") as clerk,
    ):
        doomed = Doomed(cluster, clerk)
        writers = await cluster.write(writers=2, rate=40, seed=run.seed, negligent=0)
        await asyncio.sleep(2)
        begun = time.monotonic()
        await asyncio.sleep(seconds)
        org = cluster.scene.members[0].org
        pid = None
        while pid is None:
            pid = await doomed.stop("after-the-lock", org)
        frozen = time.monotonic()
        waited = await standstill(crowd, org, until=frozen + seconds)
        thawed = time.monotonic()
        await doomed.thaw(pid)
        await writers.stop()
        anomalies = await crowd.verdict()
        caught_up = max(crowd.arrivals(org, committed_until=thawed)) - thawed
        others = [one.org for one in cluster.scene.members[1:]]
        return [
            at_most(
                "other orgs' delivery, the slowest", max(crowd.delays(since=frozen, until=thawed, orgs=others)), 1.5
            ),
            slowed(cluster, run, begun=begun, since=frozen, until=thawed),
            at_most("its own org stood still", waited, HELD),
            at_most("and caught up once it was thawed", caught_up, SWEPT),
            none("streams closed", crowd.cuts(since=0)),
            clean(anomalies),
            Figure(
                asked=f"the lock of 1 of 3 orgs in the hands of a frozen process for {seconds} s",
                measured=f"its org waited {waited:.1f} s",
                good=waited >= min(seconds, 1),
            ),
        ]


async def standstill(crowd: Crowd, org: str, *, until: float) -> float:
    """Return how long an org's clients got nothing new, up to a moment at which everything is over anyway."""
    begun = time.monotonic()
    await asyncio.sleep(0.5)  # what was numbered before is on its way
    held = crowd.positions(org)
    waited = None
    while time.monotonic() < until:
        if waited is None and crowd.positions(org) != held:
            waited = time.monotonic() - begun
        await asyncio.sleep(0.05)
    return waited or time.monotonic() - begun
