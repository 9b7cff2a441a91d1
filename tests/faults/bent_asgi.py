"""The project's ASGI application, bent, with a peep-hole: `/_peep` tells what this process holds, as JSON."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

from tests.faults import bent

bent.set_up()

import redline.asgi  # noqa: E402 - only after it was bent
from streaming.asgi import lifespan  # noqa: E402
from streaming.core.wire import canonical  # noqa: E402


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http" and scope["path"] == "/_peep":
        body = canonical(held())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})
    else:
        await redline.asgi.application(scope, receive, send)


def held() -> dict[str, int]:
    """Count what a stream takes and has to give back."""
    gc.collect()
    process = lifespan.current()
    return {
        "tasks": len(asyncio.all_tasks()),
        "sessions": len(process.sessions),
        "readers": sum(len(org.readers) for org in process.hub.orgs.values()),
        "orgs": len(process.hub.orgs),
        "places": process.limits.total,
    }
