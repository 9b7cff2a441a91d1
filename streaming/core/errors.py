"""Every error that `streaming` raises, and every reason for which it ends a stream.

    StreamingError
    ├── ConfigurationError      a declaration or a setting that cannot work
    ├── EmitError               an event that cannot be emitted; the save is rolled back
    │   ├── NotInTransaction
    │   ├── UnknownEvent
    │   └── WrongDatabase
    ├── SilentWrite             a bulk write that would change rows without an event
    └── Refused                 a request that is answered with the error envelope

Each class's docstring is the sentence that the user reads when no better one is given.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any


class StreamingError(Exception):
    """Streaming could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class ConfigurationError(StreamingError):
    """A stream, event or setting is declared in a way that cannot work."""


class EmitError(StreamingError):
    """This event cannot be emitted."""


class NotInTransaction(EmitError):
    """Events are emitted inside the transaction of the change that they announce; open transaction.atomic() first."""


class UnknownEvent(EmitError):
    """No event of this type is declared."""


class WrongDatabase(EmitError):
    """Events live in the database that STREAMING["DATABASE"] names; this row was written to another."""


class SilentWrite(StreamingError):
    """This write would change rows without an event; save the objects, or say .unstreamed() if nobody needs to know."""


class Refused(StreamingError):
    """The request cannot be served.

    `temporary` marks the refusals that a native EventSource may be told in-band (`?refusal=stream`). `ends` is why a
    stream ends that is open when it is found, where that is not the loss of its right.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
        temporary: bool = False,
        ends: CloseReason | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.details = dict(details or {})
        self.temporary = temporary
        self.ends = ends


def forbidden() -> Refused:
    """The one answer to the unknown and the foreign alike."""
    return Refused(403, "forbidden", "This is not yours to see, or does not exist.")


class CloseReason(enum.StrEnum):
    """Why the server ended a stream: a closed set, each with whether the client should come back."""

    SHUTDOWN = "shutdown"
    ROTATED = "rotated"
    SLOW = "slow"
    AUTH_EXPIRED = "auth_expired"
    AUTH_REVOKED = "auth_revoked"
    SUPERSEDED = "superseded"
    DISABLED = "disabled"
    UNAVAILABLE = "unavailable"
    ERROR = "error"

    @property
    def reconnect(self) -> bool:
        return self not in _FINAL


_FINAL = frozenset({CloseReason.AUTH_REVOKED, CloseReason.SUPERSEDED, CloseReason.DISABLED})
