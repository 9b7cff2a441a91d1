"""A running server with a clerk beside it: what the acceptance tests of one connection talk to.

    house.open(member, cursor=…)            a stream over a real socket, `tests.sse_client.SSE`
    await house.clerk.emit(org=…, count=3)  events committed by another process; returns their cursors

One house per kind of server serves all of these tests; each test has orgs of its own. Heartbeats come every 0.8 to
1 s, so that ten of them are seen in a suite that is run often.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

from tests.environment import PYTHON, ROOT, for_child
from tests.leftovers import forget, look_after
from tests.servers import Kind, Server, fresh_database, serve
from tests.sse_client import SSE

HEARTBEAT = 1.0
LISTED = "https://listed.example"
SETTINGS = {
    "EVENT_STREAM_HEARTBEAT_INTERVAL_MS": str(round(HEARTBEAT * 1000)),
    "STREAM_ALLOWED_ORIGINS": LISTED,
    "STREAM_CONNECTS_PER_SECOND": "20",
    "STREAM_MAX_PER_ADDRESS": "0",
    "TRUSTED_PROXIES": "127.0.0.1",
}


@dataclass(frozen=True, kw_only=True)
class Member:
    org: str
    user: str
    name: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class Clerk:
    """The writer's process; every act of `tests.acceptance.clerk`, or of another `module`, is a coroutine here."""

    def __init__(
        self,
        database_url: str,
        channels_url: str | None = None,
        *,
        module: str = "tests.acceptance.clerk",
        env: dict[str, str] | None = None,
    ) -> None:
        variables = {
            "DATABASE_URL": database_url,
            "CHANNELS_URL": channels_url,
            "DJANGO_SETTINGS_MODULE": "redline.settings",
            **(env or {}),
        }
        self._process = subprocess.Popen(
            [PYTHON, "-m", module],
            cwd=ROOT,
            env=for_child(variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        look_after(self._process.pid)

    def ask(self, act: str, **told: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": act, **told}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(f"{act}: {answer['error']}")
        return answer["result"]

    def __getattr__(self, act: str) -> Any:
        async def asked(**told: Any) -> Any:
            return await asyncio.to_thread(self.ask, act, **told)

        return asked

    def close(self) -> None:
        self._process.communicate()
        forget(self._process.pid)


class House:
    def __init__(self, kind: Kind, *, env: dict[str, str] | None = None) -> None:
        self.kind = kind
        self.database_url = fresh_database()
        self._starting = serve(kind, database_url=self.database_url, env={**SETTINGS, **(env or {})})
        self.clerk = Clerk(self.database_url)

    def __enter__(self) -> Self:
        self.server: Server = self._starting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._starting.__exit__()
        self.clerk.close()

    def url(self, path: str = "/v1/stream", **query: str) -> str:
        return self.server.url + path + (f"?{urlencode(query)}" if query else "")

    async def owner(self) -> Member:
        """Return the owner of a new org."""
        return Member(**await self.clerk.org())

    async def member(self, org: str, role: str = "member") -> Member:
        return Member(org=org, **await self.clerk.member(org=org, role=role))

    def open(
        self,
        member: Member | None = None,
        *,
        path: str = "/v1/stream",
        cursor: str | None = None,
        headers: dict[str, str] | None = None,
        method: str = "GET",
        **query: str,
    ) -> AbstractAsyncContextManager[SSE]:
        told = {**(member.headers if member else {}), **(headers or {})}
        if cursor is not None:
            told["Last-Event-ID"] = cursor
        return SSE.open(self.url(path, **query), headers=told, method=method)


def told(block: Any) -> Any:
    """Return a block's data, read."""
    return json.loads(block.data)


def headlines(blocks: Any) -> list[int]:
    """Return the numbers that the clerk's events among some blocks count up."""
    return [int(told(block)["headline"]) for block in blocks if block.event == "change.detected"]
