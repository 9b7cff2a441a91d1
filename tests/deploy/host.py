"""One host as redline/deploy sets it up: workers and nginx by the shipped files, on a real PostgreSQL and Redis.

with Host() as host:                    two workers behind nginx
    host.front.url, host.clerk          where browsers come, and who writes
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests import services
from tests.acceptance.house import Clerk, Member
from tests.deploy.files import filled
from tests.deploy.front import Front
from tests.deploy.units import Unit
from tests.processes import Process, free_port, wait_until
from tests.servers import fresh_database

ESTABLISHED = "01"


class Worker:
    """An instance of redline-web@.service; `through` is a command line in whose place another host runs it."""

    def __init__(self, settings: Mapping[str, str], *, through: Callable[..., list[str]] | None = None) -> None:
        self.port = free_port()
        self.unit = Unit("redline-web@.service", instance=str(self.port))
        self._settings = settings
        self._through = through
        self.process = self._start()

    @property
    def url(self) -> str:
        return f"http://{self._settings['LISTEN']}:{self.port}"

    def restart(self) -> float:
        """Restart it as systemd does, wait until it is ready, and return how long its end took."""
        begun = time.monotonic()
        self.process.terminate(within=self.unit.patience)
        ended = time.monotonic() - begun
        self.process = self._start()
        return ended

    def stop(self) -> int:
        return self.process.terminate(within=self.unit.patience)

    def ready(self) -> bool:
        connection = http.client.HTTPConnection(self._settings["LISTEN"], self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def connections(self) -> int:
        """Return how many connections are open at the worker, in whatever network namespace it runs (Linux)."""
        rows = [row.split() for row in Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]]
        return sum(row[1].endswith(f":{self.port:04X}") and row[3] == ESTABLISHED for row in rows)

    def _start(self) -> Process:
        process = self.unit.process(self._settings)
        if self._through is not None:
            process.argv = self._through(*process.argv)
        process.spawn()
        process.wait_until(self.ready, within=30, what="200 from /readyz")
        return process


def settings(**told: str) -> dict[str, str]:
    """Return the shipped settings, on this run's PostgreSQL and Redis where they are not told others."""
    names = {"ALLOWED_HOSTS": "localhost", "CSRF_TRUSTED_ORIGINS": "https://localhost"}
    if "DATABASE_URL" not in told:
        redis = services.redis()
        told["DATABASE_URL"] = fresh_database("postgres")
        told |= {"CHANNELS_URL": redis.channels_url, "CACHE_URL": redis.url.replace("/0", "/1")}
    return {**filled(), **names, **told}


class Host:
    def __init__(self, *, workers: int = 2, **told: str) -> None:
        self.settings = settings(**told)
        self._number = workers
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.workers = [Worker(self.settings) for _ in range(self._number)]
            stack.callback(lambda: [worker.stop() for worker in self.workers])
            self.front = stack.enter_context(Front(worker.port for worker in self.workers))
            self.clerk = Clerk(self.settings["DATABASE_URL"], env=self.settings)
            stack.callback(self.clerk.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def owner(self) -> Member:
        """Return the owner of a new org."""
        return Member(**await self.clerk.org())

    def tail(self) -> str:
        """Return what nginx and the workers have said last: for a test that fails."""
        return "\n".join([self.front.tail(), *(worker.process.tail(10) for worker in self.workers)])

    def connections(self) -> int:
        """Return how many connections are open at the workers."""
        return sum(worker.connections() for worker in self.workers)

    def wait_for_connections(self, number: int) -> None:
        wait_until(lambda: self.connections() == number, within=5, what=f"{number} connections at the workers")
