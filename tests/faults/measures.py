"""What is read off a cluster while it runs: memory of its workers, statements and connections of its database."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.faults.cluster import Cluster


@dataclass(kw_only=True)
class Samples:
    """One value now and then: (seconds of the monotonic clock, value)."""

    taken: list[tuple[float, float]] = field(default_factory=list)

    def between(self, since: float, until: float = float("inf")) -> list[float]:
        return [value for at, value in self.taken if since <= at < until]

    def slope(self, *, since: float) -> float:
        """Return how much the value grows a minute, by the line that fits best."""
        later = [(at / 60, value) for at, value in self.taken if at >= since]
        times, values = zip(*later, strict=True) if later else ((), ())
        return float(statistics.linear_regression(times, values).slope) if len(later) > 2 else 0.0


@asynccontextmanager
async def sampling(read: Callable[[], float], *, every: float) -> AsyncIterator[Samples]:
    """Take samples in another thread while the block lasts."""
    samples = Samples()

    async def take() -> None:
        while True:
            samples.taken.append((time.monotonic(), await asyncio.to_thread(read)))
            await asyncio.sleep(every)

    taking = asyncio.create_task(take())
    try:
        yield samples
    finally:
        taking.cancel()
        await asyncio.wait([taking])


def resident(cluster: Cluster, numbers: Sequence[int] | None = None) -> float:
    """Return the memory of the workers (of these, or of all), in MiB."""
    chosen = cluster.workers if numbers is None else [cluster.workers[number] for number in numbers]
    return sum(worker.rss_kb() for worker in chosen) / 1024


class Statements:
    """How many statements the cluster's database has executed since the last `reset`, those of this class apart."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._rows("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    def reset(self) -> None:
        self._rows("SELECT pg_stat_statements_reset()")

    def count(self) -> int:
        return sum(calls for _, calls in self.most(None))

    def most(self, limit: int | None = 5) -> list[tuple[str, int]]:
        """Return the statements that were executed most often, with how often."""
        rows = self._rows(
            "SELECT query, calls FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname ="
            " current_database()) AND query NOT LIKE '%pg_stat%' ORDER BY calls DESC"
        )
        return [(query, calls) for query, calls in rows[:limit]]

    def connections(self) -> int:
        """Return how many connections others have to the database."""
        mine = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return int(self._rows(mine)[0][0])

    def _rows(self, sql: str) -> list[Any]:
        with psycopg.connect(self._cluster.database_url, autocommit=True) as connection:
            answer = connection.execute(sql)
            return answer.fetchall() if answer.description else []
