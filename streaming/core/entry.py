"""One sequenced entry of an org's log, as it travels from the sequencer to the ring to the wire.

Immutable. Its frame is encoded once, on first use, and the same bytes are then shared by every connection of a feed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from streaming.core import sse
from streaming.core.cursor import Cursor
from streaming.core.envelope import Envelope, Told


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
    _frames: dict[tuple[Envelope | None, bool], bytes] = field(default_factory=dict, repr=False)

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.epoch, self.sequence, self.fingerprint)

    def frame(self, envelope: Envelope | None = None, *, is_snapshot: bool = False) -> bytes:
        """Return the entry as one SSE block."""
        encoded = self._frames.get((envelope, is_snapshot))
        if encoded is None:
            data = self.wrapped(envelope, is_snapshot=is_snapshot)
            encoded = sse.block(id=str(self.cursor), event=self.type, data=data)
            self._frames[envelope, is_snapshot] = encoded
        return encoded

    def wrapped(self, envelope: Envelope | None, *, payload: bytes | None = None, is_snapshot: bool = False) -> bytes:
        """Return the data in a feed's envelope, if it has one; `payload` stands in for that of a thin entry."""
        data = self.data if payload is None else payload
        if envelope is None:
            return data
        return envelope(
            Told(
                type=self.type,
                resource=self.resource,
                data=data,
                sequence=self.sequence,
                emitted_at=self.emitted_at,
                replay_of=self.replay_of,
                is_snapshot=is_snapshot,
            )
        )


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
