"""A real Redis (or Valkey) of the test run's own, to be stopped, killed and frozen at will.

It keeps its port over `stop`, `kill` and `start`, and nothing else: it saves nothing to disk, so whatever a
test's process believes to be in Redis is gone after a restart, as it is with a cache in production.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from tests.binaries import unprivileged
from tests.leftovers import directory
from tests.processes import Process, free_port


class Redis:
    """One server; `url` is for clients, `channels_url` for the settings' CHANNELS_URL."""

    def __init__(self, program: Path, *, name: str, also: str = "") -> None:
        """`also` is another address to listen on, for neighbours in namespaces."""
        self.port = free_port()
        self._server = Process(
            [
                str(program),
                *("--port", str(self.port), "--bind", "127.0.0.1", *([also, "--protected-mode", "no"] if also else [])),
                *("--save", "", "--appendonly", "no", "--dir", str(directory())),
            ],
            name=f"redis-{name}",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            user=unprivileged(),
            cwd=directory(),
        )

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def channels_url(self) -> str:
        # The pub/sub layer is the one for production; plain redis:// would choose the other.
        return f"redis+pubsub://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._server.spawn()
        self._server.wait_until(self._answers, within=10, what="Redis answers PING")

    def stop(self) -> None:
        self._server.terminate()

    def kill(self) -> None:
        self._server.kill()

    def freeze(self) -> None:
        """Stop it where it stands: connections stay open and nothing answers."""
        self._server.freeze()

    def thaw(self) -> None:
        self._server.thaw()

    def flush(self) -> None:
        """FLUSHALL: every group membership that the layer keeps in Redis is gone."""
        self.command("FLUSHALL")

    def command(self, line: str, *, timeout: float = 2) -> bytes:
        """Send one inline command and return the first bytes of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(line.encode() + b"\r\n")
            return connection.recv(65_536)

    def log(self) -> str:
        return self._server.log()

    @property
    def running(self) -> bool:
        return self._server.running

    @property
    def pid(self) -> int:
        return self._server.pid

    def _answers(self) -> bool:
        try:
            return self.command("PING").startswith(b"+PONG")
        except OSError:
            return False
