"""The world of `tests.streaming.asgi.world`, a process per test, started at first use and stopped after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.core.asgi import get_asgi_application

from streaming.asgi import lifespan, routing
from streaming.core.stream import registry
from tests.streaming.asgi.world import Feed, Members, World


@pytest.fixture
async def world(settings: Any, transactional_db: None, closed_connections: None) -> AsyncIterator[World]:
    settings.STREAMING = {**settings.STREAMING, "ACCESS": "tests.streaming.asgi.world.Members"}
    settings.ALLOWED_HOSTS = ["testserver.example"]
    feed = Feed()
    made = World(routing.application(get_asgi_application()), feed, settings)
    try:
        yield made
        await made.close()
    finally:
        await lifespan.stop_all()
        registry.forget(feed.stream)
        Members.rights_in.clear()
        Members.switched_off.clear()
        Members.before_rights = None
