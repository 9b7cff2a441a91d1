"""The database away, replaced by an older one, and trimmed under those who read."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import time
from collections import Counter
from functools import partial

from tests.faults.cluster import Cluster
from tests.faults.crowd import Crowd
from tests.faults.figures import Figure, at_most, clean, none
from tests.faults.nemesis import Nemesis
from tests.faults.patience import until
from tests.faults.probe import Answer, probing, statuses
from tests.faults.saver import Savers
from tests.faults.scenario import Run


async def postgres_restarted(run: Run) -> list[Figure]:
    """Stop PostgreSQL in order, then crash it, each time for a while; streams stay open and connects get 503."""
    clients, away = run.size(30, 100), run.size(2, 8)
    async with Cluster(orgs=2) as cluster, Crowd(cluster, clients=clients) as crowd:
        nemesis = Nemesis(cluster, run.random)
        writers = await cluster.write(writers=2, rate=40, seed=run.seed)
        begun = time.monotonic()
        healed: list[float] = []
        savers = Savers(cluster, rate=10)
        async with savers, probing(cluster, every=0.25) as answers:
            await asyncio.sleep(1)
            for stop in (nemesis.stop_postgres, nemesis.kill_postgres)[: run.size(1, 2)]:
                await stop()
                await asyncio.sleep(away)
                back = await nemesis.start_postgres()
                await until(partial(accepted, answers, back), within=30, what="connects are accepted again")
                healed.append(time.monotonic() - back)
                await asyncio.sleep(2)
        await writers.stop()
        anomalies = await crowd.verdict()
        refused = [one for one in answers if one.status != 200]
        wrong = [one for one in refused if one.status != 503 or not one.retry_after]
        print(nemesis.told())
        return [
            none("streams closed", crowd.cuts(since=begun)),
            none("connects answered but by 200 or 503 with Retry-After", len(wrong), told=statuses(answers)),
            none(
                "saves answered but by 200 or 503", savers.answers.total() - savers.answers[200] - savers.answers[503]
            ),
            at_most("slowest refusal", max((one.seconds for one in refused), default=0), 5),
            at_most("connects healed after its return", max(healed), 5),
            clean(anomalies),
            Figure(
                asked=f"{clients} clients, PostgreSQL stopped for {away} s" + (", then killed" if run.full else ""),
                measured=f"{len(refused)} connects refused, {cluster.history.committed} events committed, the fate of"
                f" {cluster.history.unknown} unknown",
                good=bool(refused),
            ),
        ]


def accepted(answers: list[Answer], since: float) -> bool:
    """Say whether a connect was accepted that began after a moment."""
    return any(one.status == 200 and one.at - one.seconds > since for one in answers)


async def database_restored(run: Run, *, overtaken: bool = False) -> list[Figure]:
    """Put an older state in the place of the database under clients of which some are away just then.

    `overtaken` has writers go on at once, so that the older log is soon longer than the one that is gone.
    """
    clients, seconds = run.size(30, 100), run.size(2, 5)
    async with Cluster(orgs=2) as cluster, Crowd(cluster, clients=clients) as crowd:
        nemesis = Nemesis(cluster, run.random)
        writers = await cluster.write(writers=2, rate=60, seed=run.seed)
        await asyncio.sleep(seconds)
        await nemesis.save_database()
        await asyncio.sleep(seconds / 2)
        await writers.stop()
        before = await crowd.verdict()
        later = await cluster.write(writers=2, rate=400, seed=run.seed + 1, wait=True)
        away = crowd.clients[:: run.size(3, 3)]
        for client in away:
            client.hold()
        await nemesis.restore_database()
        told_before = crowd.begin_anew()
        if overtaken:
            later.go()
        await asyncio.sleep(seconds)
        for client in away:
            client.release()
        if not overtaken:
            later.go()
            await asyncio.sleep(1)
        await later.stop()
        with contextlib.suppress(TimeoutError):  # who is never told is counted below
            await crowd.until(lambda one: bool(one.resets), within=15, what="told")
        after = await crowd.verdict()
        reasons = Counter(reason for client in crowd.clients for reason in client.resets)
        silent = [one for one in crowd.clients if not one.resets]
        slowest = max(one.reset_at or math.inf for one in crowd.clients if one not in away) - nemesis.struck_at
        return [
            none("clients told nothing", len(silent)),
            none("resets before", told_before),
            at_most("those who were connected told", slowest, 5),
            clean([*before, *after]),
            none("clients ended for good", crowd.ended.total(), told=str(dict(crowd.ended))),
            Figure(
                asked=f"{clients} clients, {len(away)} of them away during the restore",
                measured=", ".join(f"{count} × {reason}" for reason, count in sorted(reasons.items())),
                good=True,
            ),
        ]


async def database_overtaken(run: Run) -> list[Figure]:
    return await database_restored(run, overtaken=True)


async def trimmed(run: Run) -> list[Figure]:
    """Trim the log from below while clients come and replay it, some of them slowly, from anywhere."""
    clients, entries = run.size(40, 200), run.size(3_000, 6_000)
    async with Cluster(orgs=1) as cluster, cluster.clerk() as clerk:
        org = cluster.scene.members[0].org
        await cluster.emit(clerk, org, entries, width=1_000)
        cursors = await cluster.cursors(clerk, org)
        crowd = Crowd(cluster, clients=clients, wait=False)
        for number, client in enumerate(crowd.clients):
            client.start_at(cursors[run.random.randrange(entries - 500)])
            client.sip = 0.02 if number % 2 else 0.0
            client.hold()
        away = iter(crowd.clients)
        steps = range(entries // 20, entries, entries // 20)
        async with crowd:
            for floor in steps:
                for client in itertools.islice(away, 1 + clients // len(steps)):
                    client.release()
                await clerk.trim(org=org, floor=floor)
                await cluster.emit(clerk, org, 5)
                await asyncio.sleep(0.05)
            await crowd.until(lambda one: one.live, within=60, what="caught up")
            anomalies = await crowd.verdict(within=60)
        told = Counter(reason for client in crowd.clients for reason in client.resets)
        whole = sum(not client.resets for client in crowd.clients)
        return [
            clean(anomalies),
            none("resets for another reason", told.total() - told["truncated"], told=str(dict(told))),
            Figure(
                asked=f"{clients} clients replay up to {entries} entries while they are trimmed",
                measured=f"{whole} had them all, {clients - whole} were told of the gap",
                good=0 < whole < clients,
            ),
        ]
