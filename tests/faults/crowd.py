"""Hundreds of witnesses, and what is asked of them all."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from types import TracebackType
from typing import Self

from tests.acceptance.history import Anomaly, History, Word, check
from tests.acceptance.scene import Heads
from tests.faults.cluster import Cluster
from tests.faults.figures import Figure
from tests.faults.patience import until_all
from tests.faults.saver import NUMBER as FIRST_SAVER
from tests.faults.scenario import Run
from tests.faults.witness import Ear, Witness


class Crowd:
    """Witnesses of a cluster, evenly over its orgs; they run within the `async with`, and are live when it begins.

    Without `wait` it begins at once.
    """

    def __init__(self, cluster: Cluster, *, clients: int, wait: bool = True, seed: int = 0) -> None:
        members = itertools.cycle(cluster.scene.members)
        self.cluster = cluster
        self.ear = Ear(cluster.history)
        self.clients = [
            Witness(cluster.targets, next(members), self.ear, name=f"client {number}", seed=seed)
            for number in range(clients)
        ]
        self._wait = wait
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._running = [asyncio.create_task(client.run()) for client in self.clients]
        if self._wait:
            await self.until(lambda one: one.live, within=60, what="connected and caught up")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def until(self, holds: Callable[[Witness], bool], *, within: float, what: str) -> float:
        """Wait until something is true of every client; return the seconds that it took."""
        for task in self._running:
            if task.done():
                task.result()  # one that failed is heard before it is missed
        return await until_all(self.clients, holds, within=within, what=what)

    async def reach(self, heads: Heads, *, within: float) -> float:
        """Wait until every client stands at its org's head or behind it; returns the seconds, `within` if some do not.

        Who does not arrive is not an error here: the checker calls it by its name.
        """
        try:
            return await self.until(lambda one: one.position >= heads[one.org][1], within=within, what="at the head")
        except TimeoutError:
            return within

    async def verdict(self, *, within: float = 20) -> list[Anomaly]:
        """Wait until nothing is left to come, and have the history judged."""
        with contextlib.suppress(TimeoutError):  # what is never sequenced is lost, and the checker says so
            await self.cluster.scene.settled(within=within)
        heads = await asyncio.to_thread(self.cluster.scene.heads)
        await self.reach(heads, within=within)
        for client in self.clients:
            client.ends_at(heads[client.org][1])
        anomalies = await asyncio.to_thread(check, self.cluster.history)
        if waiting := await asyncio.to_thread(self.cluster.scene.waiting):
            anomalies.append(Anomaly(Word.LOST, f"{waiting} entries have not been sequenced"))
        return anomalies

    def begin_anew(self) -> int:
        """Have the history of another log begin; returns how many resets there were until now.

        Who is not told that his log is no more stays in the old history, and in none.
        """
        self.cluster.history = self.ear.history = History()
        self.ear.known.clear()
        resets = self.resets
        for client in self.clients:
            client.resets.clear()
        return resets

    # -- figures -------------------------------------------------------------------------------------------------------

    @property
    def ended(self) -> Counter[int]:
        """The answers that ended clients for good."""
        return Counter(client.status for client in self.clients if client.status)

    @property
    def goodbyes(self) -> Counter[str]:
        return sum((client.goodbyes for client in self.clients), Counter())

    @property
    def resets(self) -> int:
        return sum(len(client.resets) for client in self.clients)

    def cuts(self, *, since: float) -> int:
        return sum(at >= since for client in self.clients for at in client.ends)

    def positions(self, org: str) -> list[int]:
        return [client.position for client in self.clients if client.org == org]

    def reconnects(self, *, since: float) -> list[float]:
        return sorted(at for client in self.clients for at in client.opens if at >= since)

    def heartbeat_pauses(self) -> list[float]:
        """Return the seconds between each heartbeat and the next on the same client; for those who were never cut."""
        return [later - at for client in self.clients for at, later in itertools.pairwise(client.beats)]

    def delays(
        self, *, since: float = 0.0, until: float = float("inf"), orgs: Collection[str] | None = None
    ) -> list[float]:
        """Return, for each event that was committed in between, the seconds from its commit to the last client.

        Sorted; only events that somebody has seen, and of these orgs where any are named.
        """
        return sorted(
            last - at for org, at, last in self._deliveries() if since <= at < until and (orgs is None or org in orgs)
        )

    def arrivals(self, org: str, *, committed_until: float) -> list[float]:
        """Return when each event of an org that was committed until then had come to the last client."""
        return [last for key, at, last in self._deliveries() if key == org and at <= committed_until]

    def _deliveries(self) -> Iterator[tuple[str, float, float]]:
        """Yield org, time of commit and time at the last client of every event that was seen."""
        last = {heard.seen.identity: heard.last for heard in self.ear.known.values() if heard.seen is not None}
        for write in self.cluster.history.writes:
            for event in write.events if write.committed else ():
                if event.identity in last:
                    yield event.org, write.at, last[event.identity]


def slowed(cluster: Cluster, run: Run, *, begun: float, since: float, until: float) -> Figure:
    """Say how much longer writes took from `since` to `until` than they did before, from `begun` on.

    By their p99; in the short form, where a busy machine would decide that, by their median. Whoever is held up writes
    little: what was under way in that time counts however late it ended, and savers, who are others, do not.
    """
    part, limit = (0.99, 50) if run.full else (0.5, 100)
    writes = [one for one in cluster.history.writes if one.committed is not None and one.writer < FIRST_SAVER]
    before = 1000 * share((one.took for one in writes if begun <= one.at < since), part)
    during = 1000 * share((one.took for one in writes if since <= one.at and one.at - one.took < until), part)
    what = f"writes' {'p99' if run.full else 'median'} more than before"
    return Figure(
        asked=f"{what} ≤ {limit} ms",
        measured=f"{during - before:.0f} ms ({before:.0f} before, {during:.0f} meanwhile)",
        good=during - before <= limit,
    )


def share(values: Iterable[float], part: float) -> float:
    """Return the value below which `part` of the sorted values lie."""
    ordered = list(values)
    return ordered[min(len(ordered) - 1, round(part * (len(ordered) - 1)))] if ordered else float("nan")
