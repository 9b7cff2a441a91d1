"""What browsers tell of their streams: how often they fell back to polling, how long it took, how quick the screen was.

Counted in this process and logged, one line a record; nobody's name is kept with it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

from django.db.models import TextChoices

logger = logging.getLogger("redline.telemetry")


class Kind(TextChoices):
    """Every kind of record."""

    FALLBACK = "fallback"  # polling began, after so many attempts
    DEGRADED = "degraded"  # a time without a stream is over
    RECONNECT = "reconnect"  # the stream is open again
    LATENCY = "latency"  # from commit to screen


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record; times in milliseconds, as the browser measured them."""

    kind: Kind
    duration_ms: float | None = None
    attempts: int | None = None


_lock = Lock()
_counts: Counter[Kind] = Counter()


def take(records: Iterable[Record]) -> None:
    """Count and log some records."""
    for record in records:
        with _lock:
            _counts[record.kind] += 1
        told = {"kind": record.kind.value, "durationMs": record.duration_ms, "attempts": record.attempts}
        logger.info("browser: %s", " ".join(f"{name}={value}" for name, value in told.items() if value is not None))


def counted(kind: Kind) -> int:
    """Return how many records of a kind there have been in this process."""
    return _counts[kind]
