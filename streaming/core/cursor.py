"""A position in one org's log: `<epoch>.<sequence>.<fingerprint>`, ASCII, at most 64 bytes.

The epoch names the log's incarnation, the fingerprint belongs to the entry at that sequence; together they let
a cursor from another log, or from a log that was restored to an older state, be recognised instead of being
resumed at the wrong place. Clients treat the text as opaque.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

ORIGIN_FINGERPRINT = "00000000"
"""The fingerprint at sequence 0, where no entry stands."""

_FORM = re.compile(r"([0-9a-z]{1,16})\.(0|[1-9][0-9]{0,17})\.([0-9a-f]{8})", re.ASCII)


class ResetReason(enum.StrEnum):
    """Why a cursor cannot be resumed, in the order in which it is checked."""

    EPOCH = "epoch"
    AHEAD = "ahead"
    TRUNCATED = "truncated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Cursor:
    epoch: str
    sequence: int
    fingerprint: str

    @classmethod
    def parse(cls, text: str) -> Cursor | None:
        """Read a cursor; None for anything that no server of ours can have written."""
        match = _FORM.fullmatch(text)
        if match is None:
            return None
        cursor = cls(match[1], int(match[2]), match[3])
        return cursor if cursor.sequence or cursor.fingerprint == ORIGIN_FINGERPRINT else None

    def __str__(self) -> str:
        return f"{self.epoch}.{self.sequence}.{self.fingerprint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Both ends of one org's log.

    `sequence` and `fingerprint` are those of its newest entry; `floor` is the oldest sequence that a cursor may
    still name: 0 until something was trimmed, then the oldest entry that is kept.
    """

    epoch: str
    sequence: int
    fingerprint: str
    floor: int = 0

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.epoch, self.sequence, self.fingerprint)

    def judge(self, cursor: Cursor, *, found: str | None, reach: int) -> ResetReason | None:
        """Say why `cursor` cannot be resumed, or None.

        `found` is the fingerprint that the log has at the cursor's sequence (None where it has none);
        `reach` is how many entries a client may be behind.
        """
        if cursor.epoch != self.epoch:
            return ResetReason.EPOCH
        if cursor.sequence > self.sequence:
            return ResetReason.AHEAD
        if cursor.sequence < self.floor or self.sequence - cursor.sequence > reach:
            return ResetReason.TRUNCATED
        if cursor.sequence == 0:
            found = ORIGIN_FINGERPRINT
        elif cursor.sequence == self.sequence:
            found = self.fingerprint
        return None if found == cursor.fingerprint else ResetReason.UNKNOWN
