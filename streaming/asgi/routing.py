"""From the registry to an ASGI application: every declared stream, its polling twin, health, then Django.

    from streaming.asgi.routing import application
    application = application(get_asgi_application())

The last route falls through to Django, because Channels' router raises for a path that it does not know. Path
parameters are plain text here, checked by the stream's scope: a converter would turn a malformed id into a missing
page.
"""

from __future__ import annotations

import re
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import re_path

from streaming.asgi import daphne, health
from streaming.asgi.consumers import EntryConsumer, PollConsumer, SSEConsumer
from streaming.asgi.lifespan import Lifespan
from streaming.asgi.ticketing import TicketConsumer
from streaming.core.stream import Stream, registry


def application(django: Any) -> ProtocolTypeRouter:
    """Return the whole application; `django` is what `get_asgi_application()` returned."""
    daphne.install()
    routes = [route for stream in registry.streams.values() for route in stream_routes(stream)]
    routes += [re_path(r"^v1/stream/tickets/?$", TicketConsumer.as_asgi())]  # type: ignore[arg-type]
    routes += [re_path(r"^healthz/?$", health.alive), re_path(r"^readyz/?$", health.ready)]  # type: ignore[arg-type]
    return ProtocolTypeRouter(
        {
            "http": URLRouter([*routes, re_path(r"", django)]),
            "websocket": refuse_websocket,
            "lifespan": Lifespan(),
        }
    )


def stream_routes(stream: Stream) -> list[Any]:
    """Return the routes of one stream; a trailing slash is the same route."""
    sse: Any = SSEConsumer.as_asgi(stream=stream)
    poll: Any = PollConsumer.as_asgi(stream=stream)
    entry: Any = EntryConsumer.as_asgi(stream=stream)
    base = pattern(stream.path)
    routes = [re_path(rf"^{base}/?$", sse), re_path(rf"^{base}/poll/?$", poll)]
    if stream.events_path:
        events = pattern(stream.events_path)
        routes += [re_path(rf"^{events}/?$", poll), re_path(rf"^{events}/(?P<sequence>[^/]+)/?$", entry)]
    return routes


def pattern(path: str) -> str:
    """Turn `api/v1/streams/<id>/events` into a pattern whose parameters take anything, even nothing."""
    return re.sub(r"<(\w+)>", r"(?P<\1>[^/]*)", re.escape(path).replace(r"\<", "<").replace(r"\>", ">"))


async def refuse_websocket(scope: Any, receive: Any, send: Any) -> None:
    """Turn a WebSocket away before it is accepted; streams are served over HTTP."""
    await receive()
    await send({"type": "websocket.close", "code": 1000})
