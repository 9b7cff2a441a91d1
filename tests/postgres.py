"""A real PostgreSQL of the test run's own, to be stopped, killed and frozen at will.

It listens on a free port of 127.0.0.1 (a socket path in a URL is not understood by everything that reads one),
keeps its port and its data over `stop`, `kill` and `start`, and acknowledges a commit only when a killed server
would still have it. `fsync` is off: the machine does not crash in these tests, only the server does.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg

from tests.binaries import unprivileged
from tests.leftovers import directory
from tests.processes import Process, free_port, identity, wait_until

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


class Postgres:
    """One cluster; `url` is its maintenance database."""

    def __init__(self, binaries: Path, *, name: str, also: str = "") -> None:
        """`also` is another address to listen on, for neighbours in namespaces."""
        self.port = free_port()
        self._also = also
        self._binaries = binaries
        self._data = directory() / f"postgres-{name}"
        self._server = Process(
            self._command(),
            name=f"postgres-{name}",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            user=unprivileged(),
            cwd=directory(),
            ends_with=signal.SIGINT,  # "fast": SIGTERM would wait for every client to leave
        )
        self._initialise()

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, *, template: str = "template0") -> str:
        """Create a database, empty or as a copy of `template`, and return its URL."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url_of(name)

    def preload(self, library: str) -> None:
        """Have the server load a library at its start, and start it again if it has not."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute("SHOW shared_preload_libraries").fetchone()
            if row == (library,):
                return
            connection.execute(f"ALTER SYSTEM SET shared_preload_libraries = '{library}'")
        self.stop()
        self.start()

    def save(self, name: str, *, copy: str) -> None:
        """Copy a database as it is now; whoever is connected to it is thrown out, and may come back afterwards."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            self._empty(connection, name)
            connection.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{name}"')
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    def restore(self, name: str, *, copy: str) -> None:
        """Put a copy in the place of a database, as a restore from a backup does."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            self._empty(connection, name)
            connection.execute(f'DROP DATABASE "{name}"')
            connection.execute(f'ALTER DATABASE "{copy}" RENAME TO "{name}"')

    def _empty(self, connection: psycopg.Connection, name: str) -> None:
        """Let nobody connect to a database, and end those who are."""
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        self._end(connection, name)

    def end_connections(self, name: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            self._end(connection, name)

    def _end(self, connection: psycopg.Connection, name: str) -> None:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

    def start(self) -> None:
        self._server.spawn()
        self._server.wait_until(self._answers, within=30, what="PostgreSQL accepts connections")

    def stop(self) -> None:
        """Shut down in order: every connection is ended, nothing is lost."""
        self._server.terminate(within=20)

    def kill(self) -> None:
        """SIGKILL every process of the cluster, as a crash would."""
        self._server.kill()
        # Without a postmaster its shared memory has no owner; the next start refuses until the last backend is gone.
        wait_until(lambda: not self._answers(), within=10, what="the killed PostgreSQL is gone")

    def freeze(self) -> None:
        self._server.freeze()

    def thaw(self) -> None:
        self._server.thaw()

    def log(self) -> str:
        return self._server.log()

    @property
    def running(self) -> bool:
        return self._server.running

    @property
    def pid(self) -> int:
        return self._server.pid

    def _command(self) -> list[str]:
        settings = SETTINGS | ({"listen_addresses": f"127.0.0.1,{self._also}"} if self._also else {})
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return [str(self._binaries / "postgres"), "-D", str(self._data), "-p", str(self.port), *options]

    def _initialise(self) -> None:
        user = unprivileged()
        self._data.mkdir(mode=0o700)
        if user:
            shutil.chown(self._data, user)
        done = subprocess.run(
            [
                str(self._binaries / "initdb"),
                *("-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8"),
                *("--locale=C", "--no-sync", "--no-instructions"),
            ],
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            cwd=directory(),
            capture_output=True,
            text=True,
            check=False,
            **identity(user),
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stdout}{done.stderr}")
        if self._also:
            with (self._data / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {self._also}/24 trust\n")

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
