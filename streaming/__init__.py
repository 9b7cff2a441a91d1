"""Streaming: a saved model reaches every browser that may see it, in order, exactly what was committed.

The public door. A domain app imports from here and from `streaming.testing`, nothing deeper:
`Event`, `Announcement`, `Instant`, `Stream`, `Told` and `grants` to declare, `Rights`, `Scope`, `Refused` and
`forbidden` to decide who sees what, the signals of a serving process's life, and, lazily because Django's models may
not be imported before the apps are loaded, `StreamedModel`, `emit` and `recheck`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streaming.core.envelope import Told
from streaming.core.errors import Refused, forbidden
from streaming.core.event import Announcement, Event, Instant, iso_instant
from streaming.core.filter import Scope
from streaming.core.rights import Rights
from streaming.core.stream import Stream, grants
from streaming.signals import serving_started, serving_stopping

if TYPE_CHECKING:
    from streaming.models import StreamedModel
    from streaming.outbox import emit
    from streaming.revocation import recheck

__all__ = [
    "Announcement",
    "Event",
    "Instant",
    "Refused",
    "Rights",
    "Scope",
    "Stream",
    "StreamedModel",
    "Told",
    "emit",
    "forbidden",
    "grants",
    "iso_instant",
    "recheck",
    "serving_started",
    "serving_stopping",
]


def __getattr__(name: str) -> Any:
    if name == "StreamedModel":
        from streaming.models import StreamedModel

        return StreamedModel
    if name == "emit":
        from streaming.outbox import emit

        return emit
    if name == "recheck":
        from streaming.revocation import recheck

        return recheck
    raise AttributeError(f"module 'streaming' has no attribute {name!r}")
