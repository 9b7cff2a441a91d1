"""Redline's application with one slow neighbour: `/slow` holds Django's own shared thread in a query for 2 s."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection

from redline.asgi import application as redline


def slow_query() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(2)")


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http" or scope["path"] != "/slow":
        await redline(scope, receive, send)
        return
    await sync_to_async(slow_query, thread_sensitive=True)()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
