"""What should not happen and does no harm: counted by kind in this process, and logged at most once a minute each.

A forged message or a damaged row may come a thousand times a second; its count tells that, and the log stays readable.
"""

from __future__ import annotations

import enum
import logging
import threading
import time
from collections import Counter

logger = logging.getLogger("streaming.incidents")

LOG_EVERY = 60.0


class Incident(enum.StrEnum):
    """Every kind, by the name under which it is counted."""

    DAMAGED_MESSAGE = "damaged-message"
    """The channel layer delivered what could not be decrypted or decoded."""
    FORGED_MESSAGE = "forged-message"
    """The channel layer delivered what no process of ours sends."""
    LAYER_FAILURE = "layer-failure"
    """A call of the channel layer failed or took too long."""
    DAMAGED_ENTRY = "damaged-entry"
    """A row of the log holds what no event of ours can be; it is left out."""


_lock = threading.Lock()
_counts: Counter[Incident] = Counter()
_logged_at: dict[Incident, float] = {}


def count(incident: Incident) -> int:
    """Count one; returns how many there have been."""
    with _lock:
        _counts[incident] += 1
        return _counts[incident]


def note(incident: Incident, sentence: str) -> None:
    """Count one, and say so unless one of its kind was logged within the last minute."""
    so_far = count(incident)
    now = time.monotonic()
    with _lock:
        quiet = now - _logged_at.get(incident, -LOG_EVERY) < LOG_EVERY
        if not quiet:
            _logged_at[incident] = now
    if not quiet:
        logger.warning("%s (%s: %d so far)", sentence, incident.value, so_far)


def counted(incident: Incident) -> int:
    """Return how many there have been in this process."""
    return _counts[incident]
