"""A child process under test: its own session, its output in a file, an end that is certain.

`Process` starts, freezes, thaws, signals and measures one program and what that program starts. Each is told to
the watchdog, so that nothing outlives a killed test run. Nothing here waits by the clock alone:
`wait_until` polls for the thing itself and fails with the last lines of the output.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.environment import ROOT
from tests.leftovers import directory, forget, look_after

# Below 32768, where the kernel takes the ports of outgoing connections: a port from there can be gone at any time.
PORTS = range(20_000, 32_768)
_PICK = random.SystemRandom()


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    for _ in range(200):
        port = _PICK.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("No free port between 20000 and 32767.")


def wait_until(ready: Callable[[], bool], *, within: float, what: str, every: float = 0.02) -> None:
    """Return as soon as `ready()` holds; raise TimeoutError after `within` seconds."""
    deadline = time.monotonic() + within
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not within {within:g} s: {what}.")
        time.sleep(every)


class Process:
    """One program that a test runs, with everything that it starts."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        name: str,
        env: Mapping[str, str],
        user: str | None = None,
        cwd: Path = ROOT,
        ends_with: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.argv = list(argv)
        self.name = name
        self.env = dict(env)
        self.log_path = Path(tempfile.mkstemp(prefix=f"{name}-", suffix=".log", dir=directory())[1])
        self._user = user
        self._cwd = cwd
        self._ends_with = ends_with
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        if self._popen is None:
            raise RuntimeError(f"{self.name} has not been started.")
        return self._popen

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def spawn(self) -> None:
        if self.running:
            raise RuntimeError(f"{self.name} is running already.")
        with self.log_path.open("ab") as log:
            self._popen = subprocess.Popen(
                self.argv,
                env=self.env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **identity(self._user),
            )
        look_after(self.pid)

    def wait_until(self, ready: Callable[[], bool], *, within: float, what: str) -> None:
        """Like the function, but an early exit of the program is an error at once."""

        def ready_or_dead() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode} before {what}:\n{self.tail()}")
            return ready()

        try:
            wait_until(ready_or_dead, within=within, what=what)
        except TimeoutError as error:
            raise TimeoutError(f"{error} {self.name} said:\n{self.tail()}") from None

    def wait_for_output(self, text: str, *, within: float = 10) -> None:
        self.wait_until(lambda: text in self.log(), within=within, what=f"{text!r} in its output")

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log().splitlines()[-lines:])

    def terminate(self, *, within: float = 10) -> int:
        """Ask the program to end, kill it if it has not within `within` seconds, and return its exit code."""
        if self._popen is None:
            return 0
        self.thaw()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(self._ends_with)
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            return self.kill()
        self._forget()
        return self.process.returncode

    def kill(self) -> int:
        """SIGKILL the program and everything that it started; return its exit code."""
        if self._popen is None:
            return 0
        family = self.family()
        _signal_each(family, signal.SIGKILL)
        self.process.wait(10)
        wait_until(lambda: not any(map(_lives, family)), within=10, what=f"{self.name} and its children are gone")
        self._forget()
        return self.process.returncode

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def freeze(self) -> None:
        """Stop every process of the family where it stands (SIGSTOP)."""
        _signal_each(self.family(), signal.SIGSTOP)

    def thaw(self) -> None:
        _signal_each(self.family(), signal.SIGCONT)

    def family(self) -> list[psutil.Process]:
        """Return the program and its descendants, the program first."""
        if not self.running:
            return []
        try:
            head = psutil.Process(self.pid)
            return [head, *head.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def rss_kb(self) -> int:
        return sum(one.memory_info().rss for one in self.family()) // 1024

    def pss_kb(self) -> int:
        """Return the memory that is the family's own, shared pages divided among those who share them (Linux)."""
        return sum(_pss_kb(one.pid) for one in self.family())

    def _forget(self) -> None:
        # What the program left in its group dies with it: a worker without its master serves nobody.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        forget(self.pid)


def _signal_each(family: list[psutil.Process], number: signal.Signals) -> None:
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.send_signal(number)


def _lives(one: psutil.Process) -> bool:
    # An orphan that init has not buried yet is dead all the same.
    try:
        return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _pss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/{pid}/smaps_rollup has no Pss.")


def identity(user: str | None) -> dict[str, Any]:
    """Return the arguments that make subprocess run a program as `user`, with no group but his own."""
    if user is None:
        return {}
    import pwd

    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
