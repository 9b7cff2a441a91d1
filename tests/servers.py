"""The project's own servers and commands, as processes: what a test of the whole talks to.

`serve("daphne" | "uvicorn")` starts a server on a free port and returns it once `/healthz` answers; `manage()`
runs a management command to its end, `command()` one that stays. Each gets a database of its own unless one is
named, never the developer's: `fresh_database()` copies one that was migrated once per run.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from typing import Literal, Self

from tests import services
from tests.environment import PYTHON, ROOT, for_child
from tests.leftovers import directory
from tests.postgres import Postgres
from tests.processes import Process, free_port

Kind = Literal["daphne", "uvicorn"]
Env = Mapping[str, str | None]
APPLICATION = "redline.asgi:application"

_numbers = itertools.count(1)
_migrated: set[str] = set()


class Server(Process):
    """A running server of the project."""

    def __init__(self, argv: list[str], *, name: str, env: Mapping[str, str], port: int) -> None:
        super().__init__(argv, name=name, env=env)
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, health: str = "/healthz", within: float = 30) -> Self:
        self.spawn()
        self.wait_until(lambda: self.answers(health), within=within, what=f"200 from {health}")
        return self

    def answers(self, path: str) -> bool:
        """Tell whether a GET of `path` is answered with 200 within a second."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Starting:
    """A server to be started by `with` or, without blocking the loop, by `async with`."""

    def __init__(self, make: Callable[[], Server]) -> None:
        self._make = make
        self._server: Server | None = None

    def start(self) -> Server:
        self._server = self._make()
        return self._server

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.terminate()

    async def __aenter__(self) -> Server:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.__exit__)


def serve(
    kind: Kind,
    *,
    database_url: str | None = None,
    channels_url: str | None = None,
    env: Env | None = None,
    workers: int = 1,
    application: str = APPLICATION,
    health: str = "/healthz",
) -> Starting:
    """Start a server of the project: on a fresh SQLite file and the in-memory layer unless told otherwise.

    A port that somebody took between the look and the start costs another attempt.
    """

    def make() -> Server:
        url = database_url or fresh_database("sqlite")
        variables = for_child({"DATABASE_URL": url, "CHANNELS_URL": channels_url, **(env or {})})
        for attempt in (1, 2, 3):
            port = free_port()
            server = Server(
                _argv(kind, port=port, workers=workers, application=application),
                name=kind,
                env=variables,
                port=port,
            )
            try:
                return server.start(health=health)
            except BaseException as error:
                server.kill()
                if attempt == 3 or "in use" not in str(error):
                    raise
        raise AssertionError("unreachable")

    return Starting(make)


def _argv(kind: Kind, *, port: int, workers: int, application: str) -> list[str]:
    if kind == "daphne":
        if workers != 1:
            raise ValueError("daphne has no workers; start several servers on one database.")
        return [PYTHON, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), application]
    return [
        *(PYTHON, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(workers), "--timeout-graceful-shutdown", "5"),
    ]


def manage(
    *args: str,
    database_url: str,
    channels_url: str | None = None,
    env: Env | None = None,
    timeout: float = 60,
    input: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a management command to its end; look at `returncode`, `stdout` and `stderr` yourself."""
    return subprocess.run(
        [PYTHON, "manage.py", *args],
        cwd=ROOT,
        env=for_child({"DATABASE_URL": database_url, "CHANNELS_URL": channels_url, **(env or {})}),
        input=input,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def command(*args: str, database_url: str, channels_url: str | None = None, env: Env | None = None) -> Process:
    """Start a management command that stays, such as `scheduler`; the caller ends it."""
    process = Process(
        [PYTHON, "manage.py", *args],
        name=args[0],
        env=for_child({"DATABASE_URL": database_url, "CHANNELS_URL": channels_url, **(env or {})}),
    )
    process.spawn()
    return process


def fresh_database(kind: Literal["sqlite", "postgres"] = "sqlite", *, cluster: Postgres | None = None) -> str:
    """Return the URL of a new database with all migrations applied: migrated once, then copied.

    On PostgreSQL in the shared cluster unless another is given.
    """
    number = next(_numbers)
    if kind == "postgres":
        return _fresh_postgres(number, cluster or services.postgres())
    template = directory() / "migrated.sqlite3"
    if str(template) not in _migrated:
        _migrate(f"sqlite:///{template}")
        # What still stood in the write-ahead log would be missing from a copy of the file.
        with contextlib.closing(sqlite3.connect(template)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _migrated.add(str(template))
    copy = directory() / f"redline-{number}.sqlite3"
    shutil.copyfile(template, copy)
    return f"sqlite:///{copy}"


def _fresh_postgres(number: int, cluster: Postgres) -> str:
    template = cluster.url_of("migrated")
    if template not in _migrated:
        _migrate(cluster.create_database("migrated"))
        _migrated.add(template)
    return cluster.create_database(f"redline_{number}", template="migrated")


def _migrate(url: str) -> None:
    done = manage("migrate", "--verbosity", "0", database_url=url)
    if done.returncode:
        raise RuntimeError(f"migrate failed:\n{done.stdout}{done.stderr}")
