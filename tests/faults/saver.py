"""A user who works through the workers' REST API, so that the serving processes write and sequence as well.

He handles change reports, one after the other and each through its states, at whichever worker is next. What a worker
that was killed has made of a request nobody knows, and nobody asks.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from dataclasses import replace
from types import TracebackType
from typing import Self

import httpx

from tests.acceptance.history import Event, Write
from tests.acceptance.scene import Member
from tests.faults.cluster import Cluster

STEPS = {"acknowledge": "acknowledged", "start": "in-progress", "resolve": "resolved"}
NUMBER = 500
"""Of the first of them as writers in the history."""


class Savers:
    """One for each org, while the `async with` lasts and there is work; together they save `rate` times a second."""

    def __init__(self, cluster: Cluster, *, rate: float, reports: int = 60) -> None:
        self.answers: Counter[int] = Counter()
        self._cluster = cluster
        self._pause = len(cluster.scene.members) / rate
        self._reports = reports
        self._workers = itertools.cycle(cluster.workers)
        self._saving: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        async with self._cluster.clerk() as clerk:
            for number, member in enumerate(self._cluster.scene.members):
                reports = await clerk.detect(org=member.org, count=self._reports)
                events = tuple(Event(member.org, f"change.detected:{report}") for report in reports)
                self._cluster.history.writes.append(
                    Write(writer=NUMBER + number, number=0, committed=True, events=events, at=time.monotonic())
                )
                self._saving.append(asyncio.create_task(self._work(NUMBER + number, member, reports)))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for task in self._saving:
            task.cancel()
        for outcome in await asyncio.gather(*self._saving, return_exceptions=True):
            if isinstance(outcome, Exception) and kind is None:
                raise outcome

    async def _work(self, writer: int, member: Member, reports: list[str]) -> None:
        numbers = itertools.count(1)
        history = self._cluster.history
        async with httpx.AsyncClient(headers=member.headers, timeout=15) as client:
            for report in reports:
                for step, state in STEPS.items():
                    await asyncio.sleep(self._pause)
                    one = Write(
                        writer=writer,
                        number=next(numbers),
                        committed=None,
                        events=(Event(member.org, f"change.stateChanged:{report}:{state}"),),
                    )
                    place, begun = len(history.writes), time.monotonic()
                    history.writes.append(one)  # unknown, should this task end before the answer comes
                    committed = await self._save(client, f"/v1/changes/{report}/{step}")
                    now = time.monotonic()
                    history.writes[place] = replace(one, committed=committed, at=now, took=now - begun)
                    if committed is None:
                        break  # and where the report stands now is as unknown

    async def _save(self, client: httpx.AsyncClient, path: str) -> bool | None:
        """Return whether a step was taken, None where nobody knows."""
        body = {"resolution": "accepted"} if path.endswith("resolve") else {}
        try:
            answer = await client.post(f"{next(self._workers).url}{path}", json=body)
        except httpx.TransportError:
            return None
        self.answers[answer.status_code] += 1
        if answer.is_client_error:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
        return answer.is_success or None
