"""The channel layer away: frozen, emptied, not there when the workers start. It carries hints, so nothing may break."""

from __future__ import annotations

import asyncio
import time

from tests.faults.cluster import Cluster, Layer
from tests.faults.crowd import Crowd, share, slowed
from tests.faults.figures import Figure, at_most, clean, none
from tests.faults.nemesis import Nemesis
from tests.faults.probe import probing, readiness, statuses
from tests.faults.saver import Savers
from tests.faults.scenario import Run

DELIVERY = 1.5
"""Seconds from a commit to the last client while no hint gets through."""


async def redis_frozen(run: Run, *, layer: Layer = "pubsub") -> list[Figure]:
    """Freeze Redis, so that connections stay open and nothing answers; hold the writes against the time before."""
    clients, seconds = run.size(30, 100), run.size(4, 30)
    async with Cluster(orgs=2, layer=layer) as cluster, Crowd(cluster, clients=clients) as crowd:
        nemesis = Nemesis(cluster, run.random)
        writers = await cluster.write(writers=2, rate=40, seed=run.seed)
        await asyncio.sleep(2)  # the first of everything costs more
        async with Savers(cluster, rate=10, reports=run.size(30, 150)):
            begun = time.monotonic()
            await asyncio.sleep(seconds)
            frozen = nemesis.freeze_redis()
            async with probing(cluster, every=0.5) as answers:
                await asyncio.sleep(seconds)
            thawed = nemesis.thaw_redis()
            await asyncio.sleep(2)
        await writers.stop()
        anomalies = await crowd.verdict()
        return [
            slowed(cluster, run, begun=begun, since=frozen, until=thawed),
            at_most("delivery while frozen, the slowest", max(crowd.delays(since=frozen, until=thawed)), DELIVERY),
            none("streams closed", crowd.cuts(since=frozen)),
            none("connects refused", sum(one.status != 200 for one in answers), told=statuses(answers)),
            at_most("slowest connect", max(one.seconds for one in answers), run.size(5, 1)),
            clean(anomalies),
            Figure(
                asked=f"{clients} clients, Redis ({layer}) frozen for {seconds} s",
                measured=f"{cluster.history.committed} events committed, {cluster.history.observed} seen",
                good=True,
            ),
        ]


async def redis_frozen_core(run: Run) -> list[Figure]:
    return await redis_frozen(run, layer="core")


async def flushall(run: Run, *, layer: Layer = "core") -> list[Figure]:
    """Empty Redis: the core layer's group memberships are gone without a word to anybody."""
    clients, times = run.size(30, 100), run.size(2, 5)
    async with Cluster(orgs=2, layer=layer) as cluster, Crowd(cluster, clients=clients) as crowd:
        nemesis = Nemesis(cluster, run.random)
        writers = await cluster.write(writers=2, rate=40, seed=run.seed)
        await asyncio.sleep(1)
        begun = time.monotonic()
        for _ in range(times):
            nemesis.flush_redis()
            await nemesis.pause(1.5, 3)
        await writers.stop()
        anomalies = await crowd.verdict()
        return [
            at_most(f"delivery ({layer}), the slowest", max(crowd.delays(since=begun)), DELIVERY),
            none("streams closed", crowd.cuts(since=begun)),
            clean(anomalies),
        ]


async def flushall_pubsub(run: Run) -> list[Figure]:
    return await flushall(run, layer="pubsub")


async def no_redis_at_boot(run: Run, *, layer: Layer = "pubsub") -> list[Figure]:
    """Start workers and writers without Redis, and give it to them later."""
    clients = run.size(30, 100)
    cluster = Cluster(orgs=2, layer=layer)
    cluster.redis.kill()
    begun = time.monotonic()
    async with cluster, Crowd(cluster, clients=clients) as crowd:
        writers = await cluster.write(writers=2, rate=40, seed=run.seed)
        await asyncio.sleep(run.size(3, 10))
        started = time.monotonic()
        await asyncio.to_thread(cluster.redis.start)
        await ready(cluster)
        ready_at = time.monotonic()
        await asyncio.sleep(run.size(7, 15))  # a writer spares the layer for 5 s after a failure
        late = time.monotonic() - 2
        await writers.stop()
        anomalies = await crowd.verdict()
        return [
            at_most("delivery without Redis, the slowest", max(crowd.delays(until=started)), DELIVERY),
            at_most("ready after its start", ready_at - started, 10),
            at_most("delivery with Redis, the median", share(crowd.delays(since=late), 0.5), 0.25),
            none("streams closed", crowd.cuts(since=begun)),
            clean(anomalies),
        ]


async def no_redis_at_boot_core(run: Run) -> list[Figure]:
    return await no_redis_at_boot(run, layer="core")


async def ready(cluster: Cluster, *, within: float = 30) -> None:
    """Wait until every worker says that nothing is amiss."""
    async with asyncio.timeout(within):
        for worker in cluster.workers:
            status = ""
            while status != "ok":
                await asyncio.sleep(0.1)
                status = (await readiness(worker))["status"]
