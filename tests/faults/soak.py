"""Everything at once for a long time: an hour's faults in a minute, for as many minutes as one likes.

Two workers live through it all and are watched; a third is there to be killed, frozen and replaced.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from tests.faults.cluster import Cluster
from tests.faults.crowd import Crowd
from tests.faults.figures import Figure, at_most, clean, none
from tests.faults.measures import Samples, resident, sampling
from tests.faults.nemesis import Nemesis
from tests.faults.saver import Savers
from tests.faults.scenario import Run

VICTIM = 2
"""The number of the worker that is there to be killed."""
WARM = 1 / 6
"""The part of the time in which processes warm up; their memory is judged from then on."""


async def soak(run: Run) -> list[Figure]:
    seconds = 60 * run.minutes
    async with Cluster(orgs=3, workers=3) as cluster, Crowd(cluster, clients=run.size(30, 150)) as crowd:
        nemesis = Nemesis(cluster, run.random)
        writers = await cluster.write(writers=3, rate=20, seed=run.seed)
        savers = Savers(cluster, rate=2, reports=round(seconds / 4) + 10)
        async with savers, sampling(lambda: resident(cluster, [0, 1]), every=5) as memory:
            begun = time.monotonic()
            while time.monotonic() - begun < seconds:
                await asyncio.gather(an_hours_faults(nemesis, crowd), asyncio.sleep(60))
        await writers.stop()
        anomalies = await crowd.verdict()
        print(course(memory, begun))
        warm = begun + WARM * seconds
        part = (time.monotonic() - warm) / 5
        early = statistics.median(memory.between(warm, warm + part))
        late = statistics.median(memory.between(time.monotonic() - part))
        errors = cluster.errors()
        print("\n".join(errors[:50]))
        return [
            clean(anomalies),
            none("errors in the workers' logs", len(errors)),
            none("clients ended for good", crowd.ended.total(), told=str(dict(crowd.ended))),
            none("resets", crowd.resets),
            at_most("memory drift of the two workers that live", 100 * (late / early - 1), 5, "%"),
            Figure(
                asked=f"{run.minutes:g} minutes, {len(nemesis.done)} acts of the nemesis",
                measured=f"{cluster.history.committed} committed, {cluster.history.aborted} rolled back, the fate of"
                f" {cluster.history.unknown} unknown, {cluster.history.observed} seen,"
                f" memory {early:.0f} → {late:.0f} MiB",
                good=True,
            ),
        ]


async def an_hours_faults(nemesis: Nemesis, crowd: Crowd) -> None:
    """Do everything that goes wrong in a bad hour, once, in an order that was drawn."""

    async def freeze_redis() -> None:
        nemesis.freeze_redis()
        await nemesis.pause(2, 5)
        nemesis.thaw_redis()

    async def restart_postgres() -> None:
        await nemesis.stop_postgres()
        await nemesis.pause(0.5, 2)
        await nemesis.start_postgres()

    async def drop_clients() -> None:
        nemesis.harm("a third of the clients cut")
        for client in nemesis.random.sample(crowd.clients, len(crowd.clients) // 3):
            client.cut()

    async def replace_worker() -> None:
        await nemesis.replace_worker(VICTIM)

    async def flush_redis() -> None:
        nemesis.flush_redis()

    faults: list[Callable[[], Awaitable[object]]] = [
        nemesis.kill_redis,
        freeze_redis,
        flush_redis,
        restart_postgres,
        nemesis.end_connections,
        drop_clients,
        replace_worker,
        lambda: nemesis.kill_worker(VICTIM),
        lambda: nemesis.freeze_worker(VICTIM),
    ]
    nemesis.random.shuffle(faults)
    for fault in faults:
        await fault()
        await nemesis.pause(1, 3)


def course(memory: Samples, begun: float) -> str:
    """Return the memory of the two workers over time, a line for each tenth."""
    step = max(1, len(memory.taken) // 10)
    lines = [f"{(at - begun) / 60:6.1f} min {value:7.1f} MiB" for at, value in memory.taken[::step]]
    return "\n".join(["memory of the two workers that live:", *lines])
