"""One sequenced entry of an org's log, as it travels from the sequencer to the ring to the wire.

Immutable. Its frame is encoded once, on first use, and the same bytes are then shared by every connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from streaming.core import sse
from streaming.core.cursor import Cursor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    epoch: str
    sequence: int
    fingerprint: str
    type: str
    resource: str
    keys: frozenset[str]
    audience: frozenset[str]
    data: bytes
    emitted_at: datetime
    replay_of: str = ""
    _frames: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.epoch, self.sequence, self.fingerprint)

    def frame(self) -> bytes:
        """Return the entry as one SSE block."""
        encoded = self._frames.get("sse")
        if encoded is None:
            encoded = self._frames["sse"] = sse.block(id=str(self.cursor), event=self.type, data=self.data)
        return encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Consecutive entries of one org; `after` is the fingerprint of the entry before the first."""

    org: str
    epoch: str
    after: str
    entries: tuple[Entry, ...]

    @property
    def head(self) -> int:
        return self.entries[-1].sequence
