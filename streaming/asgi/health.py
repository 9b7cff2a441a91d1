"""`/healthz`: this process is alive. `/readyz`: it may be sent streams, and how well it would serve them."""

from __future__ import annotations

from typing import Any

from streaming import log
from streaming.asgi import lifespan
from streaming.asgi.exchange import Exchange
from streaming.asgi.lifespan import Process
from streaming.asgi.watcher import NOBODY
from streaming.core.wire import canonical


async def alive(scope: Any, receive: Any, send: Any) -> None:
    await Exchange(scope, receive, send).answer(200, canonical({"status": "ok"}), headers=_UNCACHED)


async def ready(scope: Any, receive: Any, send: Any) -> None:
    """200 `ok`, or `degraded` with the reason; 503 `failing` with the reason."""
    process = lifespan.current()
    failing = "shutting down" if process.draining else None
    if failing is None and not await _database_answers(process):
        failing = "the database does not answer"
    state: dict[str, Any] = {"status": "failing" if failing else "degraded" if process.degraded else "ok"}
    if reason := failing or process.degraded:
        state["reason"] = reason
    await Exchange(scope, receive, send).answer(503 if failing else 200, canonical(state), headers=_UNCACHED)


async def _database_answers(process: Process) -> bool:
    if not process.watcher.database_ok:
        return False
    try:
        await process.bridge.ask(log.heads, [NOBODY])
    except Exception:
        return False  # whatever the reason
    return True


_UNCACHED = {"Cache-Control": "no-store"}
