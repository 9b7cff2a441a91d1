"""One try at a delivery, as webhook and mail report it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An id where it arrived; else a reason, whether another try may do better, and after how many seconds."""

    external_id: str = ""
    reason: str = ""
    again: bool = False
    wait: float | None = None
