"""A deploy under hundreds of clients: worker after worker is replaced, with a goodbye and without."""

from __future__ import annotations

import asyncio
import bisect
import signal
import time
from collections.abc import Sequence

from tests.faults.cluster import Cluster
from tests.faults.crowd import Crowd
from tests.faults.figures import Figure, at_most, clean, none
from tests.faults.nemesis import Nemesis
from tests.faults.scenario import Run
from tests.servers import Kind

BACK = 12.0
"""Seconds within which everybody has to be back: the longest `retry` and what comes upon it."""


async def rolling_restart(run: Run, *, goodbye: bool = True, kind: Kind = "uvicorn") -> list[Figure]:
    """In the short form chance alone may fill a second: a quarter of few clients is a fifth or a third."""
    clients = run.size(60, 500)
    async with Cluster(orgs=2, kind=kind) as cluster, Crowd(cluster, clients=clients) as crowd:
        nemesis = Nemesis(cluster, run.random)
        writers = await cluster.write(writers=2, rate=run.size(40, 20), seed=run.seed)
        await asyncio.sleep(1)
        begun = time.monotonic()
        codes, back = [], []
        for number in range(len(cluster.workers)):
            if goodbye:
                codes.append(await nemesis.replace_worker(number))
            else:
                await nemesis.kill_worker(number)
            await crowd.until(lambda one: one.live, within=BACK + 10, what="back")
            back.append(time.monotonic() - nemesis.struck_at)
        await writers.stop()
        anomalies = await crowd.verdict()
        reconnects = crowd.reconnects(since=begun)
        figures = [
            clean(anomalies),
            at_most("reconnects within the fullest second", 100 * fullest(reconnects), run.size(30, 20), "%"),
            at_most("everybody back", max(back), BACK),
            none("clients ended for good", crowd.ended.total(), told=str(dict(crowd.ended))),
            none("resets", crowd.resets),
        ]
        if goodbye:
            silent = crowd.cuts(since=begun) - crowd.goodbyes["shutdown"]
            figures += [
                none("streams closed without a goodbye", silent),
                none("workers cut short", codes.count(-signal.SIGKILL)),
            ]
        return [
            *figures,
            Figure(
                asked=f"{clients} clients, 2 workers replaced {'in order' if goodbye else 'by SIGKILL'}",
                measured=f"{len(reconnects)} reconnects",
                good=len(reconnects) >= clients,
            ),
        ]


async def rolling_kill(run: Run) -> list[Figure]:
    return await rolling_restart(run, goodbye=False)


async def rolling_restart_daphne(run: Run) -> list[Figure]:
    return await rolling_restart(run, kind="daphne")


def fullest(moments: Sequence[float]) -> float:
    """Return the share of the moments, in order, that the fullest second of all holds."""
    held = (bisect.bisect_left(moments, at + 1) - index for index, at in enumerate(moments))
    return max(held, default=0) / max(len(moments), 1)
