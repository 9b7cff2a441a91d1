"""Many clients and much traffic: delays, memory, queries."""

from __future__ import annotations

import asyncio
import time

from tests.faults.cluster import Cluster
from tests.faults.figures import Figure, at_most, none
from tests.faults.measures import Statements, resident, sampling
from tests.faults.meter import Meters, Tally
from tests.faults.scenario import Run


async def live(run: Run) -> list[Figure]:
    """1,000 clients of one org, 50 events a second for 5 minutes."""
    clients, rate, seconds = run.size(200, 1_000), 50, run.size(10, 300)
    async with Cluster() as cluster, cluster.clerk() as clerk, Meters(cluster, clients=clients) as crowd:
        async with sampling(lambda: resident(cluster), every=1) as memory:
            begun = time.monotonic()
            written = await clerk.pulse(orgs=orgs_of(cluster), count=rate * seconds, rate=rate)
            await arrived(cluster, crowd)
        tally = crowd.tally
        return [
            none("gaps", tally.gaps),
            none("repeats", tally.repeats),
            none("reconnects", tally.reconnects - clients),
            # In seconds a process only warms up.
            at_most(
                "memory of both workers, growth a minute",
                memory.slope(since=begun + seconds / 5),
                run.size(100, 1),
                "MiB",
            ),
            Figure(
                asked=f"{clients} clients, {rate} events/s, {seconds} s: p99",
                measured=f"p50 {tally.share(0.5):.1f}, p99 {tally.share(0.99):.1f}, p99.9 {tally.share(0.999):.1f} ms"
                f" from before the insert to the client, {tally.events} deliveries at {written:.1f} events/s",
                good=tally.share(0.99) < 1_000,
            ),
        ]


async def slow_readers(run: Run) -> list[Figure]:
    """500 clients that hardly read beside 100 that do: the ones cost no memory, the others notice nothing."""
    quick, slow, seconds = run.size(50, 100), run.size(100, 500), run.size(15, 100)
    rate, width = 50, 4_000
    async with Cluster() as cluster, cluster.clerk() as clerk, Meters(cluster, clients=quick) as crowd:

        async def pulse() -> float:
            crowd.tally.delays.clear()
            await clerk.pulse(orgs=orgs_of(cluster), count=rate * seconds, rate=rate, width=width)
            return crowd.tally.share(0.99)

        alone = await pulse()
        before = resident(cluster)
        async with Meters(cluster, clients=slow) as laggards:
            for client in laggards.clients:
                client.sip = 1.0
                client.cut()
            await laggards.all(lambda one: one.tally.reconnects >= 2 * slow, within=30, what="back, and slow")
            connected = resident(cluster)
            async with sampling(lambda: resident(cluster), every=0.5) as memory:
                beside = await pulse()
            peak = max(memory.between(0))
            goodbyes = dict(laggards.tally.goodbyes)
        most = max(20.0, slow * 96 / 1024)  # of each, the one write that it does not take, and a half
        return [
            at_most(f"memory of both workers with {slow} who hardly read, growth", peak - connected, most, "MiB"),
            at_most("the others' p99 more than without them", beside - alone, max(0.2 * alone, 10), "ms"),
            none("gaps", crowd.tally.gaps + laggards.tally.gaps),
            none("the others' reconnects", crowd.tally.reconnects - quick),
            Figure(
                asked=f"{slow} clients read 4 KB a second, {rate} events/s of 4 KB for {seconds} s",
                measured=f"p99 {alone:.1f} ms without, {beside:.1f} ms beside them; {before:.0f} MiB before,"
                f" {connected:.0f} with them connected, {peak:.0f} at most; goodbyes {goodbyes}",
                good=True,
            ),
        ]


async def dropped_at_once(run: Run) -> list[Figure]:
    """2,000 clients lose their connections, miss 100 events, and all come back with their cursors in one instant."""
    clients = run.size(200, 2_000)
    async with Cluster(statements=True) as cluster, cluster.clerk() as clerk, Meters(cluster, clients=clients) as crowd:
        statements = Statements(cluster)
        await clerk.pulse(orgs=orgs_of(cluster), count=50, rate=50)
        for client in crowd.clients:
            client.hold()
        await crowd.all(lambda one: not one.connected, within=20, what="away")
        await clerk.pulse(orgs=orgs_of(cluster), count=100, rate=100)
        statements.reset()
        for client in crowd.clients:
            client.release()
        took = await arrived(cluster, crowd)
        queries = statements.count()
        return [
            at_most("resumed", took, 30),
            at_most("queries", queries, 10 + 2 * clients, "statements"),
            none("gaps and repeats", crowd.tally.gaps + crowd.tally.repeats),
            none("clients ended for good", crowd.tally.ended.total(), told=str(dict(crowd.tally.ended))),
            none("resets", crowd.tally.resets),
        ]


async def far_behind(run: Run) -> list[Figure]:
    """One client whose cursor is 50,000 entries behind: told so by default, and served where that is allowed."""
    entries = run.size(12_000, 50_000)
    figures = []
    for settings, what in (("redline.settings", "reset"), ("tests.faults.far_settings", "replayed")):
        async with Cluster(workers=1, env={"DJANGO_SETTINGS_MODULE": settings}) as cluster:
            growth, tally = await come_back(cluster, entries)
        figures += [
            at_most(f"{what}: memory, growth", growth, 20, "MiB"),
            Figure(
                asked=f"{entries} behind: {what}",
                measured=f"{tally.resets} resets, {tally.events} events",
                good=(tally.resets, tally.events) == ((1, 0) if what == "reset" else (0, entries)),
            ),
        ]
    return figures


async def come_back(cluster: Cluster, entries: int) -> tuple[float, Tally]:
    """Have one client come back that is so many entries behind; returns what memory grew by, in MiB, and its tally."""
    org = orgs_of(cluster)[0]
    async with cluster.clerk() as clerk:
        start = await clerk.head(org=org)
        await clerk.pulse(orgs=[org], count=entries, rate=1e9, width=200, together=500)
    async with Meters(cluster, clients=1):
        pass  # the first of everything costs more
    crowd = Meters(cluster, clients=1)
    crowd.clients[0].start_at(start)
    before = resident(cluster)
    async with sampling(lambda: resident(cluster), every=0.05) as memory, crowd:
        await asyncio.sleep(0.2)
    return max(memory.between(0)) - before, crowd.tally


async def idle(run: Run) -> list[Figure]:
    """1,000 streams on which nothing happens, for 10 minutes, against 10 of them for a minute."""
    clients, seconds = run.size(200, 1_000), run.size(20, 600)
    async with Cluster(statements=True) as cluster:
        statements = Statements(cluster)

        async def queries(many: int, within: float) -> float:
            async with Meters(cluster, clients=many):
                await asyncio.sleep(5)  # what came with the connects
                statements.reset()
                await asyncio.sleep(within)
                return statements.count() / within

        few = await queries(10, min(60, seconds))
        async with sampling(lambda: float(statements.connections()), every=2) as connections:
            many = await queries(clients, seconds)
        each = 60 * (many - few) / (clients - 10)
        return [
            at_most("queries per stream and minute", each, 0.1, "statements"),
            at_most("connections of both workers", max(connections.between(0)), 20, ""),
            Figure(
                asked=f"{clients} idle streams for {seconds} s",
                measured=f"{few:.1f} queries/s with 10 streams, {many:.1f} with {clients}; most often:"
                f" {'; '.join(f'{calls} × {query[:60]}' for query, calls in statements.most(3))}",
                good=True,
            ),
        ]


async def arrived(cluster: Cluster, crowd: Meters) -> float:
    """Wait until every client is live and at its org's head; returns the seconds."""
    heads = await cluster.scene.settled()
    return await crowd.all(lambda one: one.live and one.position >= heads[one.org][1], within=60, what="at the head")


def orgs_of(cluster: Cluster) -> list[str]:
    return [member.org for member in cluster.scene.members]
