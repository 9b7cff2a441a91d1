"""Another host on this machine: a network namespace behind a cable that can be pulled. Needs root, and `ip`.

    with Neighbour() as neighbour:
        server listens on neighbour.here …
        process = Process(neighbour.there("curl", …), …)
        neighbour.unplug()          whoever is there is gone, and says nothing

The namespace lives as long as the process that holds it, so a test run that is killed leaves none behind.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Self

from tests.environment import for_child
from tests.processes import Process, wait_until
from tests.services import missing


class Neighbour:
    """`here` is this side's address, `far` the other's."""

    def __init__(self) -> None:
        if os.geteuid() or not all(map(shutil.which, ("ip", "unshare", "nsenter"))):
            missing("network namespaces", "run as root, with iproute2 and util-linux")
        self._holder = Process(["unshare", "--net", "sleep", "infinity"], name="neighbour", env=for_child())

    def __enter__(self) -> Self:
        self._holder.spawn()
        pid = self._holder.pid
        # By the holder's number: several test runs may share the machine.
        self._cable, third = f"cable{pid}", pid % 250 + 1
        self.here, self.far = f"10.231.{third}.1", f"10.231.{third}.2"
        try:
            wait_until(self._is_apart, within=5, what="a namespace of its own")
            run("ip", "link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
            run("ip", "address", "add", f"{self.here}/30", "dev", self._cable)
            run("ip", "link", "set", self._cable, "up")
            run(*self.there("ip", "address", "add", f"{self.far}/30", "dev", "eth0"))
            for interface in ("lo", "eth0"):
                run(*self.there("ip", "link", "set", interface, "up"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.kill()

    def there(self, *argv: str) -> list[str]:
        """Return the command line that runs a program over there."""
        return ["nsenter", "--target", str(self._holder.pid), "--net", *argv]

    def unplug(self) -> None:
        run(*self.there("ip", "link", "set", "eth0", "down"))

    def plug_in(self) -> None:
        run(*self.there("ip", "link", "set", "eth0", "up"))

    def _is_apart(self) -> bool:
        theirs, ours = (Path(f"/proc/{who}/ns/net").readlink() for who in (self._holder.pid, "self"))
        return theirs != ours


def run(*argv: str) -> None:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
