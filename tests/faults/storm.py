"""No process dies, and all else happens: logs longer than a ring, clients from anywhere that are cut anywhere."""

from __future__ import annotations

import asyncio

from tests.faults.cluster import Cluster
from tests.faults.crowd import Crowd
from tests.faults.figures import Figure, at_most, clean, none
from tests.faults.saver import Savers
from tests.faults.scenario import Run

EVERY = 2.0
"""Seconds from one burst to the next; more than any delivery may take."""


async def storm(run: Run) -> list[Figure]:
    clients, seconds = run.size(40, 200), run.size(5, 30)
    async with Cluster(orgs=2) as cluster, cluster.clerk() as clerk:
        cursors = {}
        for member in cluster.scene.members:
            await cluster.emit(clerk, member.org, 1_500)
            cursors[member.org] = await cluster.cursors(clerk, member.org)
        crowd = Crowd(cluster, clients=clients, wait=False, seed=run.seed)
        for number, client in enumerate(crowd.clients):
            known = cursors[client.org]
            client.start_at(known[0] if number < len(cursors) else run.random.choice(known))
            client.patience = run.random.choice([3, 30, 300])
            client.hurry = 0.1
        async with crowd:
            async with Savers(cluster, rate=20):
                writers = await cluster.write(writers=4, rate=run.size(160, 120), seed=run.seed)
                await asyncio.sleep(seconds)
                await writers.stop()
            for client in crowd.clients:
                client.patience = 0
            anomalies = await crowd.verdict()
        cuts = crowd.cuts(since=0)
        return [
            clean(anomalies),
            none("resets", crowd.resets),
            none("clients ended for good", crowd.ended.total(), told=str(dict(crowd.ended))),
            Figure(
                asked=f"{clients} clients with cursors from anywhere, cut anywhere",
                measured=f"{cluster.history.committed} events committed, {cluster.history.observed} seen, {cuts} cuts",
                good=cuts > clients,
            ),
        ]


async def bursts(run: Run) -> list[Figure]:
    """Have many write at the same instant and then nobody, so that whoever was put off has nobody to come after him."""
    clients, times = run.size(20, 100), run.size(4, 15)
    async with Cluster(orgs=2) as cluster, Crowd(cluster, clients=clients) as crowd:
        writers = await cluster.write(writers=5, rate=1, seed=run.seed, negligent=0, bursts=EVERY)
        await asyncio.sleep((times + 0.5) * EVERY)
        await writers.stop()
        anomalies = await crowd.verdict()
        return [
            clean(anomalies),
            at_most("delivery, the slowest", max(crowd.delays()), 1.5),
            Figure(
                asked=f"{times} bursts of 5 writers at once",
                measured=f"{cluster.history.committed} events committed",
                good=cluster.history.committed > 20 * times,
            ),
        ]
