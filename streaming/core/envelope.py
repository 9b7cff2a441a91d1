"""How a feed wraps its payloads, for feeds whose `data:` is more than the payload.

    def wrapped(told: Told) -> bytes: ...
    Stream("workspace", path="api/v1/events", envelope=wrapped)

Wrapping is a pure function of what stands in the log, so that all connections of a feed share the bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is wrapped. A snapshot is state rather than news, as it is behind `sequence`."""

    type: str
    resource: str
    data: bytes
    sequence: int
    emitted_at: datetime
    replay_of: str = ""
    is_snapshot: bool = False


Envelope = Callable[[Told], bytes]
"""Returns one JSON value."""
