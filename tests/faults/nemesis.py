"""The one who kills, freezes and starts again, at moments that a seed has drawn."""

from __future__ import annotations

import asyncio
import random
import time

from tests.faults.cluster import Cluster


class Nemesis:
    """Everything that it does stands in `done`, with the seconds since it came."""

    def __init__(self, cluster: Cluster, draw: random.Random) -> None:
        self.cluster = cluster
        self.random = draw
        self.done: list[tuple[float, str]] = []
        self.struck_at = 0.0
        """When it did the last harm, by the monotonic clock."""
        self._came = time.monotonic()

    def harm(self, what: str) -> None:
        self.struck_at = time.monotonic()
        self.note(what)

    def note(self, what: str) -> None:
        self.done.append((time.monotonic() - self._came, what))

    def told(self) -> str:
        return "; ".join(f"{at:.1f} s {what}" for at, what in self.done)

    async def pause(self, least: float, most: float) -> None:
        await asyncio.sleep(self.random.uniform(least, most))

    async def kill_redis(self, *, away: tuple[float, float] = (0.3, 2.5)) -> None:
        """SIGKILL Redis and start it again after a while."""
        self.harm("Redis killed")
        await asyncio.to_thread(self.cluster.redis.kill)
        await self.pause(*away)
        await asyncio.to_thread(self.cluster.redis.start)
        self.note("Redis started")

    def freeze_redis(self) -> float:
        """Stop Redis where it stands; returns when."""
        self.harm("Redis frozen")
        self.cluster.redis.freeze()
        return self.struck_at

    def thaw_redis(self) -> float:
        self.note("Redis thawed")
        self.cluster.redis.thaw()
        return time.monotonic()

    def flush_redis(self) -> None:
        self.harm("FLUSHALL")
        self.cluster.redis.flush()

    async def stop_postgres(self) -> None:
        """Shut PostgreSQL down in order."""
        self.harm("PostgreSQL stopped")
        await asyncio.to_thread(self.cluster.postgres.stop)

    async def kill_postgres(self) -> None:
        """SIGKILL PostgreSQL with all its processes."""
        self.harm("PostgreSQL killed")
        await asyncio.to_thread(self.cluster.postgres.kill)

    async def start_postgres(self) -> float:
        """Start PostgreSQL again; returns when it answered."""
        await asyncio.to_thread(self.cluster.postgres.start)
        self.note("PostgreSQL started")
        return time.monotonic()

    async def save_database(self) -> None:
        """Keep a copy of the database as it is now."""
        self.harm("database saved")
        await asyncio.to_thread(self.cluster.postgres.save, self.cluster.database, copy=f"{self.cluster.database}_copy")

    async def restore_database(self) -> None:
        """Put the copy in the place of the database."""
        await asyncio.to_thread(
            self.cluster.postgres.restore, self.cluster.database, copy=f"{self.cluster.database}_copy"
        )
        self.harm("database restored")

    async def kill_worker(self, number: int, *, away: tuple[float, float] = (0.3, 1.5)) -> None:
        """SIGKILL one worker and start it again after a while."""
        self.harm(f"worker {number} killed")
        await asyncio.to_thread(self.cluster.workers[number].kill)
        await self.pause(*away)
        await asyncio.to_thread(self.cluster.workers[number].start)
        self.note(f"worker {number} started")

    async def replace_worker(self, number: int) -> int:
        """Ask one worker to end and start it again, as a deploy does; returns its exit code."""
        self.harm(f"worker {number} told to end")
        code = await asyncio.to_thread(self.cluster.workers[number].terminate)
        await asyncio.to_thread(self.cluster.workers[number].start)
        self.note(f"worker {number} started")
        return code

    async def freeze_worker(self, number: int, *, still: tuple[float, float] = (2, 5)) -> None:
        """Stop one worker where it stands, and let it go on after a while."""
        self.harm(f"worker {number} frozen")
        self.cluster.workers[number].freeze()
        await self.pause(*still)
        self.cluster.workers[number].thaw()
        self.note(f"worker {number} thawed")

    async def end_connections(self) -> None:
        """End every connection to the database, as an administrator or a failover does."""
        self.harm("database connections ended")
        await asyncio.to_thread(self.cluster.postgres.end_connections, self.cluster.database)
