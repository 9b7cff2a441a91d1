"""What monitoring does in a process that serves: ends snoozes, and leaves no run half done when the process ends."""

from __future__ import annotations

from typing import Any

from redline.monitoring import workers
from redline.monitoring.scheduling import Waker
from streaming import serving_started, serving_stopping

_waker: Waker | None = None


def connect() -> None:
    """Follow the life of the serving process."""
    serving_started.connect(_start, dispatch_uid="redline.monitoring")
    serving_stopping.connect(_stop, dispatch_uid="redline.monitoring")


def _start(**_: Any) -> None:
    global _waker
    _waker = Waker()
    _waker.start()


def _stop(**_: Any) -> None:
    if _waker is not None:
        _waker.stop()
    workers.stop_this_process()
