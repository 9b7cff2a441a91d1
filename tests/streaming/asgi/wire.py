"""One request to an ASGI application without a server: what it sends is kept, and may be held up at will.

    wire = Wire(application, "/test/stream", headers={…})
    await wire.start()
    opened = await wire.next(event="stream.open")
    wire.hold()      every `send` from now on waits, as at a full socket
    await wire.leave()

It is its own transport, so the engine can cut it off; `aborted` says whether it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlencode

import orjson

from tests.sse_parser import Block, SSEParser


@dataclass(frozen=True)
class Told:
    """A block as it came, with its data read."""

    block: Block
    at: float

    @property
    def event(self) -> str | None:
        return self.block.event

    @property
    def id(self) -> str | None:
        return self.block.id

    @property
    def json(self) -> Any:
        return orjson.loads(self.block.data or "null")


class Wire:
    def __init__(
        self,
        application: Any,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | str = "",
        client: tuple[str, int] | None = ("127.0.0.1", 40_000),
    ) -> None:
        self._application = application
        text = query if isinstance(query, str) else urlencode(query)
        self.scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "root_path": "",
            "scheme": "http",
            "query_string": text.encode("latin-1"),
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in {"Host": "testserver.example", **(headers or {})}.items()
            ],
            "client": client,
            "server": ("testserver.example", 80),
        }
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.told: list[Told] = []
        self.ended = False
        self.aborted = False
        self.sends = 0
        self.transport = self
        self._read = 0
        self._parser = SSEParser()
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._inbox.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        self._news = asyncio.Event()
        self._free: asyncio.Future[None] | None = None
        self._raises: Exception | None = None
        self._task: asyncio.Task[None] | None = None

    # -- the application's side --------------------------------------------------------------------------------------

    async def receive(self) -> dict[str, Any]:
        return await self._inbox.get()

    async def send(self, message: dict[str, Any]) -> None:
        if self._raises is not None:
            raise self._raises
        if self._free is not None:
            await asyncio.shield(self._free)
        self.sends += 1
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
            if "text/event-stream" not in self.headers.get("content-type", ""):
                self._parser = SSEParser()
        else:
            self.body += message.get("body", b"")
            now = asyncio.get_running_loop().time()
            self.told += [Told(block, now) for block in self._parser.feed(message.get("body", b""), at=now)]
            self.ended = not message.get("more_body", False)
        self._news.set()

    def abort(self) -> None:
        self.aborted = True
        self._inbox.put_nowait({"type": "http.disconnect"})

    # -- the test's side ---------------------------------------------------------------------------------------------

    async def start(self, *, within: float = 5) -> Wire:
        """Begin, and wait for the response's head."""
        self._task = asyncio.create_task(self._run())
        await self._until(lambda: bool(self.status), within, "a response")
        return self

    def begin(self) -> None:
        """Begin without waiting for anything."""
        self._task = asyncio.create_task(self._run())

    async def answered(self, *, within: float = 5) -> Wire:
        """Begin, and wait until the response is whole."""
        await self.start(within=within)
        await self._until(lambda: self.ended, within, "the response's end")
        return self

    async def _run(self) -> None:
        try:
            await self._application(self.scope, self.receive, self.send)
        finally:
            self._news.set()

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.body)["error"]
        return found

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    def hold(self) -> None:
        """Have every send wait from now on."""
        self._free = asyncio.get_running_loop().create_future()

    def release(self) -> None:
        free, self._free = self._free, None
        if free is not None and not free.done():
            free.set_result(None)

    def break_with(self, error: Exception) -> None:
        """Have every send raise from now on, as a closed socket does."""
        self._raises = error

    async def next(self, *, event: str | None = None, within: float = 5) -> Told:
        """Return the next block, or the next of that event name."""

        def found() -> bool:
            while self._read < len(self.told):
                self._read += 1
                if event is None or self.told[self._read - 1].event == event:
                    return True
            return False

        seen = self._read
        await self._until(found, within, f"{event or 'a block'} (since: {[one.event for one in self.told[seen:]]})")
        return self.told[self._read - 1]

    async def events(self, count: int, *, within: float = 5) -> list[Told]:
        """Wait until so many events of the feed have come in all, and return them."""
        await self._until(lambda: len(self.of_feed) >= count, within, f"{count} events")
        return self.of_feed

    @property
    def of_feed(self) -> list[Told]:
        return [one for one in self.told if one.event and one.event.startswith("test.")]

    async def finished(self, *, within: float = 5) -> None:
        """Wait until the application has returned."""
        assert self._task is not None
        async with asyncio.timeout(within):
            await asyncio.wait({self._task})

    async def leave(self) -> None:
        """Disconnect, and wait until the application has returned."""
        self.release()
        self._inbox.put_nowait({"type": "http.disconnect"})
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=5)
            assert self._task.done(), "the application does not see that the client has left"

    async def _until(self, holds: Any, within: float, what: str) -> None:
        try:
            async with asyncio.timeout(within):
                while not holds():
                    if not self.running and not holds():
                        raise AssertionError(f"the application returned without {what}: {self.status} {self.body!r}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(f"No {what} within {within:g} s; so far: {self.told[-5:]}") from None
