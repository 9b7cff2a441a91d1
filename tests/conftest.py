"""What every test gets: a SQLite file instead of shared memory, connections that do not outlive an async test."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import hypothesis
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections

from tests import services

# Two shared cores make any deadline a coin toss; a failure prints what replays it.
hypothesis.settings.register_profile("redline", deadline=None, print_blob=True)
hypothesis.settings.load_profile("redline")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Put the SQLite test database into a file of this run's own.

    Django's default is a shared-cache database in memory: it has no write-ahead log and answers a second thread
    "table is locked" whatever the timeout.
    """
    if not services.on_postgres():
        path: Path = tmp_path_factory.mktemp("database") / "test.sqlite3"
        for alias in connections:
            settings.DATABASES[alias].setdefault("TEST", {})["NAME"] = str(path)


@pytest.fixture
async def closed_connections() -> AsyncIterator[None]:
    """Close what the ORM opened in the event loop's executor thread: PostgreSQL drops no database in use."""
    yield
    await sync_to_async(connections.close_all)()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            item.fixturenames.append("closed_connections")
