"""What of a replay is left out: of a resource about which too much was missed, all but the newest event of a type.

The newest one stands for the older ones and is told as a snapshot, in its own place in the order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streaming.core.entry import Entry


@dataclass(frozen=True, slots=True, eq=False)
class Condensation:
    """By type and resource, the newest sequence that was missed. Each is of one connection, and equal to no other."""

    newest: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def leaves_out(self, entry: Entry) -> bool:
        return entry.sequence < self._newest(entry)

    def is_snapshot(self, entry: Entry) -> bool:
        return entry.sequence == self._newest(entry)

    def _newest(self, entry: Entry) -> int:
        return self.newest.get((entry.type, entry.resource), 0)


EVERYTHING_IS_TOLD = Condensation()
