"""Requests driven into the ASGI application in this very loop, as a server drives it: `scope`, `receive`, `send`.

For tests that need thousands of connections or the process's own channel layer; what goes over a socket is tested over
a socket. `send` takes every message at once, as a server does whose client reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlencode

import orjson

from tests.sse_parser import Block, SSEParser


class Exchange:
    """One request and what has come of its response."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.blocks: list[Block] = []
        self._parser = SSEParser()
        self._news = asyncio.Event()
        self._left = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, application: Any, path: str, *, headers: Mapping[str, str], query: Mapping[str, str] | None = None
    ) -> AsyncIterator[Self]:
        """Send a GET, and leave at the end of the block."""
        exchange = cls()
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": urlencode(query or {}).encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
        }
        task = asyncio.create_task(application(scope, exchange._receive, exchange._send))
        try:
            yield exchange
        finally:
            exchange._left.set()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    async def until(self, holds: Callable[[Self], bool], *, within: float = 10) -> Self:
        """Wait until something is true of the response."""
        async with asyncio.timeout(within):
            while not holds(self):
                self._news.clear()
                await self._news.wait()
        return self

    @property
    def last_event_id(self) -> str:
        return self._parser.last_event_id

    def payloads(self) -> list[Any]:
        """Return the data of every event that is not the protocol's own."""
        return [
            orjson.loads(block.data)
            for block in self.blocks
            if block.data and block.event and not block.event.startswith("stream.")
        ]

    def has(self, event: str) -> bool:
        return any(block.event == event for block in self.blocks)

    async def _receive(self) -> dict[str, Any]:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message["body"]
            self.blocks += self._parser.feed(message["body"])
        self._news.set()


async def get(
    application: Any, path: str, *, headers: Mapping[str, str], query: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """Return status and JSON of a request that is answered whole."""
    async with Exchange.open(application, path, headers=headers, query=query) as exchange:
        await exchange.until(lambda seen: bool(seen.body))
        return exchange.status, orjson.loads(exchange.body)
