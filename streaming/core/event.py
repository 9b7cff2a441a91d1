"""An immutable fact that is announced: a declared type, a validated payload.

    class ChangeDetected(Event, type="change.detected"):
        change_report_id: str
        severity: Severity

Payloads are pydantic models: validated when made, unknown keys refused, camelCase on the wire. A field that is None
is left out; a feed whose contract says "all keys always there" declares `nulls=True`. Times are `Instant`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

from streaming.core.errors import ConfigurationError
from streaming.core.wire import is_event_type


def iso_instant(at: datetime) -> str:
    """Format as ISO 8601 UTC with `Z` and milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _in_utc(at: datetime) -> datetime:
    """Refuse, while the event is made, a moment that could not be written: 0001-01-01T00:00+14:00 has no UTC."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time must lie in the years 1 to 9999 of UTC") from None


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc), PlainSerializer(iso_instant, return_type=str)]
"""A moment in a payload; must be aware, goes out as ISO 8601 UTC with `Z` and milliseconds."""

CONTROL_PREFIX = "stream."
"""Types of the protocol's own; no event may take one."""


class Event(BaseModel):
    """Base of every declared payload; `event_type` is what stands in the SSE field `event:`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    event_type: ClassVar[str] = ""
    nulls: ClassVar[bool] = False

    def __init_subclass__(cls, *, type: str = "", nulls: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if type:
            if not is_event_type(type) or type.startswith(CONTROL_PREFIX) or type == "heartbeat":
                raise ConfigurationError(f"{type!r} cannot be an event's type.")
            cls.event_type = type
        cls.nulls = nulls or cls.nulls

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Accept the class keywords, which `__init_subclass__` has taken."""

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """Validate a payload as it stands on the wire."""
        return cls.model_validate_json(text, by_alias=True, by_name=False)

    def payload(self) -> bytes:
        """Return the canonical JSON bytes."""
        return self.model_dump_json(by_alias=True, exclude_none=not self.nulls).encode()

    def about(self, resource: str, *, keys: Iterable[str] = (), audience: Iterable[str] = ()) -> Announcement:
        """Say what the event is about and who may see it."""
        return Announcement(event=self, resource=resource, keys=frozenset(keys), audience=frozenset(audience))


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """An event together with the columns that filters decide on."""

    event: Event
    resource: str = ""
    keys: frozenset[str] = frozenset()
    audience: frozenset[str] = frozenset()

    @property
    def type(self) -> str:
        return self.event.event_type

    @classmethod
    def of(cls, event: Event | Announcement, *, resource: str = "") -> Announcement:
        return event if isinstance(event, Announcement) else cls(event=event, resource=resource)
