"""Three people of one org, an outsider, and their streams, without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application

from redline.workspaces.models import Org, Role
from streaming.asgi import lifespan, routing
from streaming.models import LogEntry
from tests.monitoring.world import Rest, make_member, make_org
from tests.streaming.asgi.wire import Wire
from tests.streaming.asgi.world import eventually

FEED = "/api/v1/events"


def person(org: Org, role: Role = Role.MEMBER) -> Rest:
    return Rest(make_member(org, role), org, prefix="/api/v1/")


@pytest.fixture
def org(transactional_db: None) -> Org:
    return make_org()


@pytest.fixture
def owner(org: Org) -> Rest:
    return person(org, Role.OWNER)


@pytest.fixture
def ann(org: Org) -> Rest:
    return person(org)


@pytest.fixture
def ben(org: Org) -> Rest:
    return person(org)


@pytest.fixture
def viewer(org: Org) -> Rest:
    return person(org, Role.VIEWER)


@pytest.fixture
def stranger(transactional_db: None) -> Rest:
    """The owner of another org."""
    return person(make_org(), Role.OWNER)


class Streams:
    """Opens the workspace feed in the name of people, with the flag on."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._wires: list[Wire] = []

    def wire(self, who: Rest, path: str = FEED, *, cursor: str | None = None, **query: str) -> Wire:
        headers = {"Authorization": f"Bearer {who.secret}", **({} if cursor is None else {"Last-Event-ID": cursor})}
        wire = Wire(self._application, path, headers=headers, query=query)
        self._wires.append(wire)
        return wire

    async def open(self, who: Rest, *, cursor: str | None = None, **query: str) -> Wire:
        """Open a stream and read it up to `stream.caught_up`."""
        wire = await self.wire(who, cursor=cursor, **query).start()
        assert wire.status == 200, wire.body
        await wire.next(event="stream.caught_up")
        return wire

    async def close(self) -> None:
        for wire in self._wires:
            await wire.leave()


@pytest.fixture
async def streams(settings: Any, transactional_db: None, closed_connections: None) -> AsyncIterator[Streams]:
    settings.ALLOWED_HOSTS = ["testserver", "testserver.example"]
    settings.FLAGS = {**settings.FLAGS, "ENABLE_EVENT_STREAM": [("boolean", True)]}
    made = Streams(routing.application(get_asgi_application()))
    try:
        yield made
        await made.close()
    finally:
        await lifespan.stop_all()


async def act(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Do something that queries."""
    return await sync_to_async(call)(*args, **kwargs)


async def numbered(org: Org) -> None:
    """Wait until everything that was committed has its place in the log."""
    waiting = LogEntry.objects.filter(org=org.pk, sequence=None)
    await eventually(lambda: act(lambda: not waiting.exists()))
