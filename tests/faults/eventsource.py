"""A browser's EventSource, cheap enough for a thousand of them in one process.

It keeps to the native rules: `retry` and the last id are taken from what was dispatched, an end or a network error
reconnects after `retry`, any answer but 200 ends it for good, and the URL stays the same, which is why it asks for
`refusal=stream`. In front of the workers stands what stands there in production: each connect goes to the next
worker, and one that does not accept is passed over.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Sequence
from typing import cast

from tests.http_body import Body
from tests.sse_parser import Block, SSEParser

SIP_BYTES = 4096


class Targets:
    """The workers' ports, each time from another one on."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self._turn = itertools.count()

    def order(self) -> list[int]:
        start = next(self._turn) % len(self._ports)
        return self._ports[start:] + self._ports[:start]


class EventSource:
    """One client. Who wants to know what it hears overrides `opened`, `heard`, `closed` and `failed`."""

    RETRY = 3.0
    """Seconds before a reconnect that no server has told: what browsers do."""

    def __init__(self, targets: Targets, *, token: str, path: str = "/v1/stream") -> None:
        self.last_event_id = ""
        self.sip = 0.0
        """Of a slow reader: seconds between two looks into a receive buffer of a few KB."""
        self.retry = self.RETRY
        self.hurry = 1.0
        """Which part of `retry` it waits: 1, unless a test has no time."""
        self.status = 0
        """Of the response that ended it for good."""
        self._targets = targets
        self._path = f"{path}?refusal=stream"
        self._token = token
        self._wire: _Wire | None = None
        self._free = asyncio.Event()
        self._free.set()

    # -- for those who want to know ------------------------------------------------------------------------------------

    def opened(self) -> None:
        """A response has begun."""

    def heard(self, raw: bytes) -> None:
        """Take one block, without the blank line that ended it."""

    def closed(self) -> None:
        """A connection is gone."""

    def failed(self, status: int) -> None:
        """The server's answer has ended this source for good."""

    # -- its life ------------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self._wire is not None

    def cut(self) -> None:
        """Drop the connection as a tunnel does; it comes back after `retry`."""
        if self._wire is not None:
            self._wire.transport.abort()

    def hold(self) -> None:
        """Drop the connection and stay away."""
        self._free.clear()
        self.cut()

    def release(self) -> None:
        self._free.set()

    async def run(self) -> None:
        while not self.status:
            await self._free.wait()
            wire = await self._connect()
            if wire is not None:
                self._wire = wire
                try:
                    if not self._free.is_set():
                        self.cut()  # told to stay away while it connected
                    await wire.gone
                finally:
                    self._wire = None
                    wire.transport.abort()
                    self.closed()
            if self._free.is_set() and not self.status:
                await asyncio.sleep(self.retry * self.hurry)

    async def _connect(self) -> _Wire | None:
        loop = asyncio.get_running_loop()
        for port in self._targets.order():
            try:
                _, wire = await loop.create_connection(lambda: _Wire(self), sock=await self._socket(port))
            except OSError:
                continue
            return wire
        return None

    async def _socket(self, port: int) -> socket.socket:
        connection = socket.socket()
        try:
            connection.setblocking(False)
            if self.sip:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SIP_BYTES)
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        except BaseException:
            connection.close()
            raise
        return connection

    def request(self) -> bytes:
        lines = [f"GET {self._path} HTTP/1.1", "Host: localhost", "Accept: text/event-stream"]
        lines.append(f"Authorization: Bearer {self._token}")
        if self.last_event_id:
            lines.append(f"Last-Event-ID: {self.last_event_id}")
        return "\r\n".join([*lines, "", ""]).encode()

    def answered(self, status: int) -> None:
        if status == 200:
            self.opened()
        else:
            self.status = status
            self.failed(status)


class _Wire(asyncio.Protocol):
    """One connection: takes the response apart into blocks."""

    transport: asyncio.Transport

    def __init__(self, source: EventSource) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._source = source
        self._body: Body | None = None
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by inheritance
        self.transport.write(self._source.request())

    def connection_lost(self, error: Exception | None) -> None:
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        try:
            self._take(data)
        except Exception as error:
            # A loop would only log it, and the client would seem to have been cut.
            self.gone.set_exception(error)

    def _take(self, data: bytes) -> None:
        if self._body is None:
            data = self._begin(data)
            if self._body is None:
                return
        *blocks, self._rest = (self._rest + self._body.feed(data)).split(b"\n\n")
        for raw in blocks:
            self._source.heard(raw)
            if self.transport.is_closing():
                return  # cut here: what came later never came
        if self._body.complete:
            self.transport.close()
        elif self._source.sip:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(self._source.sip, self._read_on)

    def _read_on(self) -> None:
        if not self.gone.done() and not self.transport.is_closing():
            self.transport.resume_reading()

    def _begin(self, data: bytes) -> bytes:
        """Read the response's head, and return what follows it."""
        head, end, data = (self._rest + data).partition(b"\r\n\r\n")
        self._rest = b""
        if not end:
            self._rest = head
            return b""
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        self._source.answered(int(first.split()[1]))
        if self._source.status:
            self.transport.close()
            return b""
        self._body = Body({name.strip().lower(): value.strip() for name, _, value in pairs})
        return data


def parsed(raw: bytes) -> Block:
    """Read one block as strictly as the tests' own parser does."""
    return SSEParser().feed(raw + b"\n\n")[0]
