"""The outgoing side of one connection: at most one write under way, and no task for one that goes through at once.

`write` is a plain function. It steps `send` once by hand; only if that suspends, because the client does not read as
fast as we write, is a task made for this one write. Until it ends the writer is *busy*, and whoever writes is told by
`done`. A writer task per connection would cost 2 KB and a third of the connect rate; a queue, memory without bound.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from streaming.asgi.transport import abort, taken

Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]


class Writer:
    """`done(last)` is called when a write that had to wait has ended, `lost(error)` when one failed."""

    __slots__ = ("_done", "_lost", "_now", "_send", "_taken", "_task", "busy_since")

    def __init__(
        self,
        send: Send,
        *,
        now: Callable[[], float],
        done: Callable[[bool], None],
        lost: Callable[[Exception], None],
    ) -> None:
        self._send = send
        self._now = now
        self._done = done
        self._lost = lost
        self._task: asyncio.Task[None] | None = None
        self._taken: int | None = None
        self.busy_since: float | None = None

    @property
    def busy(self) -> bool:
        return self._task is not None

    def write(self, body: bytes, *, last: bool = False) -> bool:
        """Start one write; True if it went through without waiting."""
        writing = self._send({"type": "http.response.body", "body": body, "more_body": not last})
        try:
            waiting = writing.send(None)
        except StopIteration:
            return True
        except Exception as error:
            self._lost(error)
            return False
        self.busy_since = self._now()
        self._taken = taken(self._send)
        self._task = asyncio.create_task(self._finish(resumed(writing, waiting), last=last))
        return False

    def moves(self) -> bool:
        """Say whether the client has taken anything since the write began or this was asked; if so, wait anew."""
        before, self._taken = self._taken, taken(self._send)
        moved = self._taken != before
        if moved:
            self.busy_since = self._now()
        return moved

    def cancel(self) -> None:
        """Give up the write that is under way, unless it is what is running now."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    def abort(self) -> None:
        """Cut the connection."""
        self.cancel()
        abort(self._send)

    async def _finish(self, writing: Awaitable[None], *, last: bool) -> None:
        try:
            await writing
        except Exception as error:
            self._lost(error)
            return
        self._task = None
        self.busy_since = None
        self._done(last)


@types.coroutine
def resumed(writing: Coroutine[Any, Any, None], waiting: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that was stepped once by hand and waits for `waiting`."""
    while True:
        step: Callable[[Any], Any]
        value: Any
        try:
            step, value = writing.send, (yield waiting)
        except BaseException as error:
            step, value = writing.throw, error
        try:
            waiting = step(value)
        except StopIteration:
            return
