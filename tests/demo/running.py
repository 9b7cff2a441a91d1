"""The real `manage.py demo` as a process, on a database and a port of its own."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from signal import Signals

from tests.environment import PYTHON, for_child
from tests.processes import Process, free_port

STARTS_WITHIN = 40.0
LAST_LINE = "Ctrl-C ends it."


class RunningDemo(Process):
    """`said()` is what it has printed; output and errors are in one log."""

    def __init__(self, database_url: str, *arguments: str, port: int, before: Sequence[str] = ()) -> None:
        super().__init__(
            [*before, PYTHON, "manage.py", "demo", "--port", str(port), *arguments],
            name="demo",
            env=for_child({"DATABASE_URL": database_url}),
        )
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    @property
    def token(self) -> str:
        return self._printed(r"^\s*Token\s+(rl_[A-Za-z0-9_-]+)$")

    @property
    def password(self) -> str:
        return self._printed(r"password (\S+)$")

    @property
    def sites_url(self) -> str:
        return self._printed(r"^\s*Vendors\s+(http://127\.0\.0\.1:\d+)/")

    @property
    def curl(self) -> list[str]:
        return shlex.split(self._printed(r"^\s*Follow\s+(curl -N .*)$"))

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def wait_until_it_serves(self) -> None:
        self.wait_until(self.answers, within=STARTS_WITHIN, what="a listening port")

    def end(self, number: Signals, *, within: float) -> tuple[int, float]:
        """Send a signal; return the exit code and how many seconds the end took."""
        begun = time.monotonic()
        self.signal(number)
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still there {within:g} s after {number.name}:\n{self.tail()}") from None
        return code, time.monotonic() - begun

    def _printed(self, pattern: str) -> str:
        found = re.search(pattern, self.log(), re.MULTILINE)
        assert found, f"no {pattern!r} in:\n{self.log()}"
        return found[1]


@contextmanager
def running(database_url: str, *, before: Sequence[str] = ()) -> Iterator[RunningDemo]:
    """Start a demo and wait until it serves; `before` are words in front of its command."""
    demo = RunningDemo(database_url, "--no-browser", port=free_port(), before=before)
    demo.spawn()
    try:
        demo.wait_until_it_serves()
        yield demo
    finally:
        demo.process.poll()
        demo.terminate() if demo.running else demo.kill()
