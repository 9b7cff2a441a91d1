"""Clocks that are five minutes apart, of workers and of writers: order comes from the log, and time from the loop."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

from tests.faults.bent import CLOCK
from tests.faults.cluster import BENT, Cluster
from tests.faults.crowd import Crowd
from tests.faults.eventsource import EventSource, Targets, parsed
from tests.faults.figures import Figure, at_least, at_most, clean, none
from tests.faults.scenario import Run

OFF = 150
"""Seconds by which one half is ahead, and the other behind."""
HEARTBEAT = 1.0


class Expiring(EventSource):
    """A client whose credential runs out: it notes why it was sent away."""

    def __init__(self, targets: Targets, *, token: str) -> None:
        super().__init__(targets, token=token)
        self.reasons: Counter[str] = Counter()

    def heard(self, raw: bytes) -> None:
        block = parsed(raw)
        if block.event == "stream.closing":
            self.reasons[json.loads(block.data or "")["reason"]] += 1


async def clocks_apart(run: Run) -> list[Figure]:
    seconds = run.size(8, 30)
    cluster = Cluster(
        orgs=2,
        application=BENT,
        env={"EVENT_STREAM_HEARTBEAT_INTERVAL_MS": str(round(HEARTBEAT * 1000))},
        each=[{CLOCK: str(OFF)}, {CLOCK: str(-OFF)}],
    )
    async with cluster, Crowd(cluster, clients=run.size(30, 100)) as crowd, cluster.clerk() as clerk:
        member = cluster.scene.members[0]
        ahead, behind = [
            await expiring(worker.port, await clerk.token(user=member.user, org=member.org, seconds=OFF + 4))
            for worker in cluster.workers
        ]
        early = await cluster.write(writers=1, rate=20, seed=run.seed, env={CLOCK: str(-OFF)})
        late = await cluster.write(writers=1, rate=20, seed=run.seed, env={CLOCK: str(OFF)})
        await asyncio.sleep(seconds)
        await early.stop()
        await late.stop()
        anomalies = await crowd.verdict()
        pauses = crowd.heartbeat_pauses()
        for task, _ in (ahead, behind):
            task.cancel()
        return [
            clean(anomalies),
            none("streams closed", crowd.cuts(since=0)),
            at_most("pause between heartbeats, the longest", max(pauses), HEARTBEAT + 0.5),
            at_least("the shortest", round(min(pauses), 3), 0.8 * HEARTBEAT - 0.1),
            Figure(
                asked=f"a token with {OFF + 4} s to live ends where the clock is ahead, as expired, and only there",
                measured=f"ahead: {dict(ahead[1].reasons)}, behind: {dict(behind[1].reasons)}",
                good=set(ahead[1].reasons) == {"auth_expired"} and not behind[1].reasons,
            ),
        ]


async def expiring(port: int, token: str) -> tuple[asyncio.Task[None], Expiring]:
    client = Expiring(Targets([port]), token=token)
    return asyncio.create_task(client.run()), client
