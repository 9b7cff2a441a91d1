"""A caller from outside: connects once, as a client that has no patience, and tells what it was answered."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.acceptance.scene import Member
from tests.faults.cluster import Cluster
from tests.servers import Server
from tests.sse_client import SSE

PATIENCE = 20.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one connect came to; `status` is 0 where nothing came in time, -1 where nobody listened."""

    status: int
    seconds: float
    at: float
    retry_after: str = ""


async def connect(worker: Server, member: Member) -> Answer:
    """Open a stream and leave as soon as it is open, or as it is refused."""
    begun = time.monotonic()
    try:
        async with SSE.open(f"{worker.url}/v1/stream", headers=member.headers, timeout=PATIENCE) as stream:
            if stream.status == 200:
                await stream.next(timeout=PATIENCE)
            told, after = stream.status, stream.headers.get("retry-after", "")
    except TimeoutError:
        told, after = 0, ""
    except (OSError, EOFError):
        told, after = -1, ""
    now = time.monotonic()
    return Answer(status=told, seconds=now - begun, at=now, retry_after=after)


@asynccontextmanager
async def probing(cluster: Cluster, *, every: float) -> AsyncIterator[list[Answer]]:
    """Connect to each worker in turn, again and again and without waiting for answers, while the block lasts."""
    answers: list[Answer] = []
    calls: set[asyncio.Task[None]] = set()

    async def call(worker: Server) -> None:
        answers.append(await connect(worker, cluster.scene.members[0]))

    async def keep_calling() -> None:
        while True:
            for worker in cluster.workers:
                task = asyncio.create_task(call(worker))
                calls.add(task)
                task.add_done_callback(calls.discard)
                await asyncio.sleep(every)

    calling = asyncio.create_task(keep_calling())
    try:
        yield answers
    finally:
        calling.cancel()
        await asyncio.wait([calling, *calls])


def statuses(answers: list[Answer]) -> str:
    return ", ".join(f"{count} × {status}" for status, count in sorted(Counter(one.status for one in answers).items()))


async def readiness(worker: Server) -> dict[str, Any]:
    """Return what `/readyz` says."""
    async with SSE.open(f"{worker.url}/readyz") as answer:
        told: dict[str, Any] = json.loads(await answer.body())
        return told


async def peep(worker: Server) -> dict[str, int]:
    """Return what a bent worker holds."""
    async with SSE.open(f"{worker.url}/_peep") as answer:
        told: dict[str, int] = json.loads(await answer.body())
        return told
