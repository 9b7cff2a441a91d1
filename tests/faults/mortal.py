"""A process of writers that stop at one step of the sequencer, to be killed there, or to go on when they are thawed.

    {"do": "stop", "point": "after-the-lock", "org": "org_…"} → {"result": {"pid": 7, "event": "…", "stopped": true}}
    {"do": "kill", "pid": 7}                                    {"do": "thaw", "pid": 7}

Django is loaded once and each writer is a fork with connections of its own. Each commits one change report and stops
itself, by SIGSTOP, when its own sequencing comes to the point; `stopped` tells whether it did, because who finds the
lock taken leaves before.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any, NoReturn

from tests.faults import bent

bent.set_up()

from redline.ids import new_id  # noqa: E402 - only after setup
from redline.monitoring.models import ChangeReport, Vendor  # noqa: E402
from streaming import publisher, sequencer  # noqa: E402
from tests.acceptance.clerk import serve  # noqa: E402
from tests.acceptance.history import identity  # noqa: E402

BEFORE: dict[str, tuple[Any, str]] = {
    "after-the-commit": (sequencer, "hand_over"),
    "before-the-heads": (sequencer, "_ensure_heads"),
    "before-the-lock": (sequencer, "_lock"),
    "after-the-lock": (sequencer, "_assign"),
    "after-the-numbers": (sequencer, "_advance"),
    "before-the-poke": (publisher, "poke"),
    "before-the-second-look": (sequencer, "_waiting"),
}
AFTER: dict[str, tuple[Any, str]] = {
    "after-the-head": (sequencer, "_advance"),
    "after-the-numbering": (sequencer, "_number"),
    "after-the-second-look": (sequencer, "_waiting"),
}
POINTS = (*BEFORE, *AFTER)


def stop(point: str, org: str) -> dict[str, Any]:
    """Fork a writer and wait until it has stopped or come to its end."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _write(point, org, writing)
    os.close(writing)
    with os.fdopen(reading) as told:
        event = told.readline().strip()
        _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError(f"a writer ended with {os.WEXITSTATUS(status)}")
    return {"pid": pid, "event": event, "stopped": os.WIFSTOPPED(status)}


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def thaw(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)
    os.waitpid(pid, 0)


def _write(point: str, org: str, telling: int) -> NoReturn:
    code = 1
    try:
        _stop_at(point)
        vendor = Vendor.objects.filter(org_id=org)[0]
        report = ChangeReport(pk=new_id("chg"), org_id=org, vendor=vendor, severity="P2", headline="A change")
        os.write(telling, f"{identity('change.detected', {'changeReportId': report.pk})}\n".encode())
        report.save(force_insert=True)
        code = 0
    finally:
        os._exit(code)


def _stop_at(point: str) -> None:
    module, name = BEFORE[point] if point in BEFORE else AFTER[point]
    real: Callable[..., Any] = getattr(module, name)

    def stopping(*args: Any, **kwargs: Any) -> Any:
        setattr(module, name, real)
        if point in BEFORE:
            os.kill(os.getpid(), signal.SIGSTOP)
        result = real(*args, **kwargs)
        if point in AFTER:
            os.kill(os.getpid(), signal.SIGSTOP)
        return result

    setattr(module, name, stopping)


if __name__ == "__main__":
    serve(stop, kill, thaw)
