"""DATABASE_URL: what it becomes, and how a connection to a real PostgreSQL behaves when that goes and comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.db import InterfaceError, OperationalError
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from redline.database import database
from tests import services
from tests.processes import wait_until


def test_sqlite_takes_its_lock_at_once_and_keeps_what_it_committed() -> None:
    config = database("sqlite:////srv/x.sqlite3", pool_size=10)
    assert config["NAME"] == "/srv/x.sqlite3"
    assert config["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "synchronous=FULL" in config["OPTIONS"]["init_command"]


def test_postgresql_is_pooled_and_the_url_beats_the_defaults() -> None:
    config = database("postgres://u:p%40@h:5433/n?sslmode=require&connect_timeout=7", pool_size=12)
    assert [config[name] for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")] == ["u", "p@", "h", 5433, "n"]
    assert config["OPTIONS"]["sslmode"] == "require"
    assert config["OPTIONS"]["connect_timeout"] == 7
    assert config["OPTIONS"]["tcp_user_timeout"] == 10_000
    assert config["OPTIONS"]["pool"]["max_size"] == 12
    assert config["CONN_HEALTH_CHECKS"] is True


def test_a_pool_of_no_connections_is_no_pool() -> None:
    config = database("postgres://u@h/n", pool_size=0)
    assert "pool" not in config["OPTIONS"]
    assert config["CONN_HEALTH_CHECKS"] is False


def test_a_socket_is_named_by_its_directory() -> None:
    config = database("postgres://u@//run/postgresql/n", pool_size=1)
    assert (config["HOST"], config["NAME"]) == ("/run/postgresql", "n")


@pytest.mark.parametrize(
    "url", ["foo", "", "mysql://u@h/n", "postgres://h", "postgres://u@h/n?pool=true", "postgres://u@h/n?conn_max_age=9"]
)
def test_what_is_no_database_for_the_log_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        database(url, pool_size=10)


@pytest.fixture
def connection(django_db_blocker: DjangoDbBlocker) -> Iterator[DatabaseWrapper]:
    """A connection of its own kind beside the run's database, with a pool of its own."""
    url = services.postgres("comes-and-goes").url
    one = ConnectionHandler({"default": {}, "comes-and-goes": database(url, pool_size=10)})["comes-and-goes"]
    assert isinstance(one, DatabaseWrapper)
    with django_db_blocker.unblock():
        yield one
    one.close()
    one.close_pool()


def asked(connection: DatabaseWrapper) -> bool:
    """Ask the database as a request would: with a connection of the pool that goes back to it."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return bool(cursor.fetchone() == (1,))
    finally:
        connection.close()


def answers(connection: DatabaseWrapper) -> bool:
    try:
        return asked(connection)
    except (OperationalError, InterfaceError):
        return False


@pytest.mark.servers
def test_a_restarted_postgresql_costs_no_request(connection: DatabaseWrapper) -> None:
    server = services.postgres("comes-and-goes")
    assert asked(connection)
    server.stop()
    server.start()
    assert asked(connection), "the pool's connections were dead and one of them was handed out"


@pytest.mark.servers
@pytest.mark.parametrize("requests", [1, pytest.param(10, marks=pytest.mark.long)])
def test_while_postgresql_is_away_a_request_is_told_soon_and_afterwards_it_is_found_soon(
    connection: DatabaseWrapper, requests: int
) -> None:
    server = services.postgres("comes-and-goes")
    assert asked(connection)
    server.kill()
    waits = []
    for _ in range(requests):  # ten are long enough for the pool's own pauses to grow, were they not bounded
        begun = time.monotonic()
        with pytest.raises(OperationalError):
            asked(connection)
        connection.close()
        waits.append(time.monotonic() - begun)
    assert max(waits) < 3, waits
    server.start()
    begun = time.monotonic()
    wait_until(lambda: answers(connection), within=5, what="the pool has found PostgreSQL again")
    print(f"told after {max(waits):.1f} s, found after {time.monotonic() - begun:.1f} s")
