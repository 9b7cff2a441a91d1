"""What of a replay is left out: of a resource about which too much was missed, all but the newest event of a type.

The newest one stands for the older ones and is told as a snapshot, in its own place in the order. Events of different
keys or audiences are counted apart, so that who would see one that is left out sees the one that stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streaming.core.entry import Entry

Alike = tuple[str, str, frozenset[str], frozenset[str]]
"""Type, resource, keys, audience."""


@dataclass(frozen=True, slots=True, eq=False)
class Condensation:
    """By what is alike, the newest sequence that was missed. Equal to no other: compared for every write."""

    newest: Mapping[Alike, int] = field(default_factory=dict)

    def leaves_out(self, entry: Entry) -> bool:
        return entry.sequence < self._newest(entry)

    def is_snapshot(self, entry: Entry) -> bool:
        return entry.sequence == self._newest(entry)

    def _newest(self, entry: Entry) -> int:
        return self.newest.get((entry.type, entry.resource, entry.keys, entry.audience), 0) if self.newest else 0


EVERYTHING_IS_TOLD = Condensation()
