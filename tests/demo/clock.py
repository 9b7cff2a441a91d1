"""A clock that a test sets by hand."""

from __future__ import annotations


class Clock:
    """Seconds; call it for the time, add to `seconds` to let some pass."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds
