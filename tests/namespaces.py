"""Another host on this machine: a network namespace behind a cable that can be pulled. Needs root, and `ip`.

with Neighbour() as neighbour:
    server listens on neighbour.here …
    process = Process(neighbour.there("curl", …), …)
    neighbour.unplug()          whoever is there is gone, and says nothing
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from typing import Self

from tests.services import missing

_numbers = itertools.count(1)


class Neighbour:
    """`here` is this side's address; the namespace is removed with everything in it."""

    def __init__(self) -> None:
        if os.geteuid() or not shutil.which("ip"):
            missing("network namespaces", "run as root, with iproute2")
        # By the process's number: several test runs may share the machine.
        self._name = f"rl{os.getpid()}-{next(_numbers)}"
        self._cable = f"v{os.getpid() % 100_000}n{self._name.rpartition('-')[2]}"
        third = os.getpid() % 250 + 1
        self.here, self._there = f"10.231.{third}.1", f"10.231.{third}.2"

    def __enter__(self) -> Self:
        ip("netns", "add", self._name)
        try:
            ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self._name)
            ip("address", "add", f"{self.here}/30", "dev", self._cable)
            ip("link", "set", self._cable, "up")
            ip("-n", self._name, "address", "add", f"{self._there}/30", "dev", "eth0")
            ip("-n", self._name, "link", "set", "eth0", "up")
            ip("-n", self._name, "link", "set", "lo", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["ip", "link", "delete", self._cable], check=False, capture_output=True)
        ip("netns", "delete", self._name)

    def there(self, *argv: str) -> list[str]:
        """Return the command line that runs a program over there."""
        return ["ip", "netns", "exec", self._name, *argv]

    @property
    def far(self) -> str:
        """The address of the other side."""
        return self._there

    def unplug(self) -> None:
        ip("-n", self._name, "link", "set", "eth0", "down")

    def plug_in(self) -> None:
        ip("-n", self._name, "link", "set", "eth0", "up")


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
