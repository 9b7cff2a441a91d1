"""The project with a switchboard in front of its streams, for tests in a browser.

Counts streams and polls, and does to streams what networks and proxies do: `mute` lets nothing through any more on the
streams that are open (the connection stays, as after a long sleep), `cut` ends each stream 0.3 s after it has begun.
`/test/page` is the page that tests open. The org feed has a switch here, which the project's own has not.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson

from redline.asgi import application as project
from redline.monitoring.streams import org_feed

org_feed.has_switch = True
HERE = Path(__file__).parent
FILES = {"/test/page": ("page.html", b"text/html"), "/test/page.js": ("page.js", b"text/javascript")}
STREAM = "/v1/stream"
CUT_AFTER = 0.3
SLOW = 12
"""Seconds that `/test/slow` takes: longer than a hung leader is waited for."""


class Switchboard:
    def __init__(self) -> None:
        self.open: set[Stream] = set()
        self.raw = b""
        self.reset()

    def reset(self) -> None:
        self.mode = "pass"
        self.most = self.opened = self.polls = 0
        self.telemetry: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith((STREAM, "/test/")):
            await project(scope, receive, send)
        elif path.startswith("/test/"):
            await self.answer(scope, receive, send)
        elif path == STREAM and scope["method"] == "GET":
            await Stream(self).run(scope, receive, send)
        else:
            self.polls += path == f"{STREAM}/poll" and b"after=" in scope["query_string"]
            await project(scope, receive, send)

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        path, query = scope["path"], parse_qs(scope["query_string"].decode())
        kind, pieces = b"application/json", [b"{}"]
        if scope["method"] == "POST":
            self.take(path, orjson.loads((await receive())["body"]))
        elif path == "/test/slow":
            await asyncio.sleep(SLOW)
        elif path in FILES:
            name, kind = FILES[path]
            pieces = [(HERE / name).read_bytes()]
        elif path == "/test/raw":
            at = int(query.get("at", ["0"])[0])
            kind, pieces = b"text/event-stream", [self.raw[:at], self.raw[at:]]
        else:
            self.switch(query.get("streams", [self.mode])[0])
            pieces = [orjson.dumps(self.counts())]
        headers = [(b"content-type", kind), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0.001)  # so that what is sent apart comes apart
        await send({"type": "http.response.body", "body": b""})

    def counts(self) -> dict[str, Any]:
        counts = {"open": len(self.open), "most": self.most, "opened": self.opened, "polls": self.polls}
        return {**counts, "telemetry": self.telemetry}

    def take(self, path: str, told: Any) -> None:
        if path == "/test/telemetry":
            self.telemetry += told
        elif path == "/test/reset":
            self.reset()
        else:
            self.raw = bytes.fromhex(told["hex"])

    def switch(self, mode: str) -> None:
        self.mode = mode
        for stream in self.open:
            stream.is_muted = mode == "mute"


class Stream:
    """One stream on its way through the board."""

    def __init__(self, board: Switchboard) -> None:
        self.board = board
        self.is_muted = False

    async def run(self, scope: Any, receive: Any, send: Any) -> None:
        board = self.board

        async def pass_on(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                board.open.add(self)
                board.opened += 1
                board.most = max(board.most, len(board.open))
            if not self.is_muted:
                await send(message)

        try:
            if board.mode == "cut":
                task = asyncio.ensure_future(project(scope, receive, pass_on))
                await asyncio.wait([task], timeout=CUT_AFTER)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            else:
                await project(scope, receive, pass_on)
        finally:
            board.open.discard(self)


application = Switchboard()
