"""A raw HTTP/1.1 client for event streams, so that tests see bytes and not a library's opinion of them.

    async with SSE.open(server.url + "/v1/stream", headers={"Authorization": "Bearer …"}) as stream:
        opened = await stream.next(event="stream.open", timeout=5)
        async for block in stream: ...

It reads only what is asked for, so a client that does not read is a client that is not iterated. It shows status,
headers and every block (`tests.sse_parser.Block`), never reconnects, and ends by `cut()` as abruptly as asked.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import orjson

from tests.http_body import Body
from tests.sse_parser import Block, SSEParser

CRLF = b"\r\n"


class StreamEnded(Exception):
    """The server ended the stream before what was waited for came."""


class SSE:
    """One open response; `blocks` holds what has been read of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.blocks: list[Block] = []
        self._reader = reader
        self._writer = writer
        self._parser = SSEParser()
        self._ready: deque[Block] = deque()
        self._body = Body({})

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        timeout: float = 10,
        receive_buffer: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> AsyncIterator[Self]:
        """Send the request, read the response's head, and close whatever is left at the end."""
        stream = await asyncio.wait_for(cls._connect(url, headers or {}, method, receive_buffer, tls), timeout)
        try:
            yield stream
        finally:
            await stream.close()

    @property
    def clean(self) -> bool:
        """Tell whether the server has ended the body in order."""
        return self._body.complete

    @property
    def last_event_id(self) -> str:
        return self._parser.last_event_id

    @property
    def pending(self) -> bytes:
        """Return what was read of a block that has not ended."""
        return self._parser.pending

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Block:
        while not self._ready:
            data = await self._read()
            if not data:
                raise StopAsyncIteration
            self._ready.extend(self._parser.feed(data, at=asyncio.get_running_loop().time()))
        block = self._ready.popleft()
        self.blocks.append(block)
        return block

    async def next(self, *, event: str | None = None, timeout: float = 5) -> Block:
        """Return the next block, or the next of that event name, passing over the others.

        Raises TimeoutError or StreamEnded with what came instead.
        """
        seen: list[str] = []
        try:
            async with asyncio.timeout(timeout):
                async for block in self:
                    if event is None or block.event == event:
                        return block
                    seen.append(block.event or f": {block.comment}")
        except TimeoutError:
            raise TimeoutError(f"No {event or 'block'} within {timeout:g} s; came: {seen}") from None
        raise StreamEnded(f"The stream ended before {event or 'a block'}; came: {seen}")

    async def until(self, event: str, *, timeout: float = 5) -> list[Block]:
        """Return every block up to and including the next of that event name."""
        begun = len(self.blocks)
        await self.next(event=event, timeout=timeout)
        return self.blocks[begun:]

    async def rest(self, *, timeout: float = 10) -> list[Block]:
        """Return every block to the end of the stream."""
        async with asyncio.timeout(timeout):
            return [block async for block in self]

    async def body(self, *, timeout: float = 5) -> bytes:
        """Return the rest of the body as it is: for refusals, which are not streams."""
        parts = []
        async with asyncio.timeout(timeout):
            while part := await self._read():
                parts.append(part)
        return b"".join(parts)

    async def json(self, *, timeout: float = 5) -> Any:
        return orjson.loads(await self.body(timeout=timeout))

    def cut(self, *, reset: bool = False) -> None:
        """Close at once, whatever is unread: with a FIN, or with a RST as when a process is killed."""
        if reset:
            connection = self._writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except (OSError, asyncio.CancelledError):
            self._writer.transport.abort()

    @classmethod
    async def _connect(
        cls,
        url: str,
        headers: Mapping[str, str],
        method: str,
        receive_buffer: int | None,
        tls: ssl.SSLContext | None,
    ) -> Self:
        target = urlsplit(url)
        if target.scheme != ("https" if tls else "http") or target.hostname is None:
            raise ValueError(f"Only http:// is spoken here, and https:// with a TLS context, not {url!r}.")
        connection = socket.socket()
        connection.setblocking(False)
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, (target.hostname, target.port or 80))
        # A proxy does not answer TLS's goodbye while it streams; asyncio would wait for that 30 s.
        secured: Any = {"ssl": tls, "server_hostname": target.hostname, "ssl_shutdown_timeout": 0.1} if tls else {}
        reader, writer = await asyncio.open_connection(sock=connection, **secured)
        stream = cls(reader, writer)
        path = (target.path or "/") + (f"?{target.query}" if target.query else "")
        try:
            await stream._request(
                f"{method} {path} HTTP/1.1", {"Host": target.netloc, "Accept": "text/event-stream", **headers}
            )
        except BaseException:
            writer.transport.abort()  # nobody else has it yet
            raise
        return stream

    async def _request(self, line: str, headers: Mapping[str, str]) -> None:
        lines = [line, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self._writer.write("\r\n".join(lines).encode("latin-1"))
        await self._writer.drain()
        await self._read_head()
        # The answer to HEAD names the length of what is not sent.
        self._body = Body({"content-length": "0"} if line.startswith("HEAD ") else self.headers)

    async def _read_head(self) -> None:
        """Read status and headers; names in lower case, repeated ones joined as HTTP allows."""
        self.status = int((await self._reader.readuntil(CRLF)).split()[1])
        while (line := await self._reader.readuntil(CRLF)) != CRLF:
            name, _, value = line.decode("latin-1").partition(":")
            name, value = name.strip().lower(), value.strip()
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    async def _read(self) -> bytes:
        """Return more of the body, empty at its end. Cancelled by a timeout, it has taken nothing."""
        while not self._body.complete:
            data = await self._receive()
            part = self._body.feed(data)
            if part or not data:
                return part
        return b""

    async def _receive(self) -> bytes:
        try:
            return await self._reader.read(65_536)
        except ConnectionError:
            return b""  # a reset is an end that was not clean
