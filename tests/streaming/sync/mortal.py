"""A process of writers that are killed: reads a point and a seed a line, forks one that dies there, says who it was.

Django is loaded once and each writer is a fork with a connection of its own, so that hundreds can die in seconds.
A writer that has reached its point tells its parent and waits there for SIGKILL; at `anywhere` it writes without end
and is killed after a random moment.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import django


def main() -> None:
    django.setup()
    for line in sys.stdin:
        point, org, seed = line.split()
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _write_until_killed(point, org, partial(os.write, writing, b"."))
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        if point == "anywhere":
            time.sleep(random.Random(seed).uniform(0, 0.03))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        print("killed" if os.WIFSIGNALED(status) else "ended", flush=True)


def _write_until_killed(point: str, org: str, tell: Callable[[], object]) -> NoReturn:
    from redline.monitoring.models import Entitlement, Vendor
    from redline.workspaces.models import Org
    from streaming import capture, sequencer

    def stop_before(module: Any, name: str) -> None:
        def stop(*args: Any, **kwargs: Any) -> NoReturn:
            tell()
            while True:
                signal.pause()

        setattr(module, name, stop)

    if point == "before-the-event":
        stop_before(capture, "emit_many")
    elif point == "before-the-commit":
        real = capture.emit_many
        capture.emit_many = lambda *args, **kwargs: (real(*args, **kwargs), _stop(tell))  # type: ignore[assignment]
    elif point == "before-the-sequencing":
        stop_before(sequencer, "hand_over")
    elif point == "inside-the-sequencing":
        stop_before(sequencer, "_advance")
    elif point == "anywhere":
        Vendor.objects.count()
        tell()
    while True:
        row = Org.objects.create(slug=f"{org}-{time.monotonic_ns()}")
        Entitlement.objects.create(org=row, compliance_pack=True)


def _stop(tell: Callable[[], object]) -> NoReturn:
    tell()
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
