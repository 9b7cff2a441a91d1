"""The world of `tests.streaming.asgi.world`, a process per test, started at first use and stopped after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session
from django.core.asgi import get_asgi_application

from streaming.asgi import lifespan, routing
from streaming.core.stream import registry
from streaming.models import ApiToken, Head, LogEntry
from tests.streaming.asgi.world import Feed, Members, Visitors, World

# Without the round over all open streams, which would ask for rights in the middle of a test that counts them.
WORLD = {"ACCESS": "tests.streaming.asgi.world.Members", "RECHECK_EVERY": 3600.0}


@pytest.fixture(scope="session")
def django_application() -> Any:
    return get_asgi_application()


@pytest.fixture
def transactional_db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Commit for real, on the threads of the engine; what a world has written is deleted by it.

    pytest-django's own flushes every table and sends the signals after it, which takes as long as most tests here.
    The name is its name, because it makes the test database only for tests that ask for one by this name.
    """
    with django_db_blocker.unblock():
        yield


@pytest.fixture
async def world(
    settings: Any, django_application: Any, transactional_db: None, closed_connections: None
) -> AsyncIterator[World]:
    settings.STREAMING = {**settings.STREAMING, **WORLD}
    settings.ALLOWED_HOSTS = ["testserver.example"]
    feed = Feed()
    made = World(routing.application(django_application), feed, settings)
    try:
        yield made
        await made.close()
    finally:
        await lifespan.stop_all()
        registry.forget(feed.stream)
        Members.rights_in.clear()
        Members.switched_off.clear()
        Members.before_rights = None
        await sync_to_async(clean_up)()


def clean_up() -> None:
    # The log last: it is told when a credential goes.
    for rows in (ApiToken.objects, Session.objects, Visitors(), LogEntry.objects, Head.objects):
        rows.all().delete()
