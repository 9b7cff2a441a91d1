"""The sentence on the README: in order, exactly the committed ones, none lost, through killed Redis and workers."""

from __future__ import annotations

import asyncio
import time

from tests.faults.cluster import Cluster, Layer
from tests.faults.crowd import Crowd
from tests.faults.figures import Figure, at_least, at_most, clean, none
from tests.faults.nemesis import Nemesis
from tests.faults.saver import Savers
from tests.faults.scenario import Run
from tests.processes import wait_until
from tests.servers import Kind


async def headline(run: Run, *, kind: Kind = "uvicorn", layer: Layer = "pubsub") -> list[Figure]:
    clients, each = run.size(40, 200), run.size(100, 1_000)
    redis, worker = run.size(1, 5), run.size(1, 3)
    async with Cluster(orgs=3, kind=kind, layer=layer) as cluster, Crowd(cluster, clients=clients) as crowd:
        nemesis = Nemesis(cluster, run.random)
        writers = await cluster.write(writers=3, rate=90, seed=run.seed)
        faults = ["redis"] * redis + ["worker"] * (worker - 1)
        run.random.shuffle(faults)
        faults.append("worker")  # what takes longest to recover from comes last
        async with Savers(cluster, rate=10):
            for fault in faults[:-1]:
                await nemesis.pause(0.5, 3.0)
                await strike(nemesis, fault)
            await grown(cluster, each)
        striking = asyncio.create_task(strike(nemesis, faults[-1]))
        await asyncio.sleep(0.1)
        await writers.stop()
        heads = await cluster.scene.settled()
        struck = nemesis.struck_at
        await crowd.reach(heads, within=30)
        caught_up = time.monotonic() - struck
        await striking
        anomalies = await crowd.verdict()
        print(nemesis.told())
        return [
            clean(anomalies),
            at_most("caught up after the last fault", caught_up, 10),
            at_least("events in each org", min(sequence for _, sequence in heads.values()), each),
            none("clients ended for good", crowd.ended.total(), told=str(dict(crowd.ended))),
            none("resets", crowd.resets),
            Figure(
                asked=f"{clients} clients, Redis killed {redis}×, a worker killed {worker}×",
                measured=f"{cluster.history.committed} committed, {cluster.history.aborted} rolled back,"
                f" {cluster.history.observed} seen, {len(crowd.reconnects(since=0)) - clients} reconnects",
                good=True,
            ),
        ]


async def headline_daphne(run: Run) -> list[Figure]:
    return await headline(run, kind="daphne")


async def headline_core(run: Run) -> list[Figure]:
    return await headline(run, layer="core")


async def strike(nemesis: Nemesis, fault: str) -> None:
    if fault == "redis":
        await nemesis.kill_redis()
    else:
        await nemesis.kill_worker(nemesis.random.randrange(len(nemesis.cluster.workers)))


async def grown(cluster: Cluster, each: int) -> None:
    """Wait until every org's log holds so many events."""

    def long_enough() -> bool:
        return all(sequence >= each for _, sequence in cluster.scene.heads().values())

    await asyncio.to_thread(wait_until, long_enough, within=120, what=f"{each} events in each org", every=0.2)
