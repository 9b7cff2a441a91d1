"""A declared feed: its path, the events it carries, which model's signal makes which event, its snapshot.

    org_feed = Stream("monitoring", path="v1/stream", snapshot=selectors.latest_state)

    @org_feed.on_save(ChangeReport, created=True)
    def change_detected(report: ChangeReport) -> ChangeDetected: ...

The return annotation declares the event for the stream. A rule's function may return None for "nothing to tell", and
`event.about(resource, keys=…, audience=…)` where not every member may see it. Declaring is all that this module does:
capture reads the rules, the consumers read the streams.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from streaming.core.envelope import Envelope
from streaming.core.errors import ConfigurationError, UnknownEvent
from streaming.core.event import Announcement, Event
from streaming.core.filter import Scope
from streaming.core.rights import Rights

Maker = Callable[[Any], "Event | Announcement | None"]
Snapshot = Callable[[str, Rights], "Iterable[Event | Announcement]"]
Scoping = Callable[[str, Mapping[str, str], Mapping[str, str], Rights], Scope]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which signal of which model makes which event."""

    model: type
    signal: str  # "save" | "delete"
    created: bool | None = None
    on_change: tuple[str, ...] = ()
    org: Callable[[Any], str]
    make: Maker


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A model by whose rows rights are granted: whose, and in which org.

    No users means everybody of the org; None as org, that there is nothing to tell.
    """

    model: type
    org: Callable[[Any], str | None]
    users: Callable[[Any], Iterable[str]]


def org_of(instance: Any) -> str:
    """Return the org's key of an instance by its `org_id`."""
    return str(instance.org_id)


def user_of(instance: Any) -> tuple[str]:
    """Return the user of an instance by its `user_id`."""
    return (str(instance.user_id),)


def grants(
    model: type,
    *,
    org: Callable[[Any], str | None] = org_of,
    users: Callable[[Any], Iterable[str]] = user_of,
) -> None:
    """Declare that rows of a model decide on rights: open streams of those users follow each change at once."""
    registry.grants.append(Grant(model=model, org=org, users=users))


@dataclass(eq=False)
class Stream:
    """`events_path` is a second path of the polling twin, with one event below it.

    `snapshot(org, rights)` yields the state that a client gets in place of lost history.

    `scope(org, path parameters, query, rights)` narrows to what the client asked for, and raises `Refused` for what is
    malformed or not its own. `events` declares those that no rule of this stream makes.

    `envelope` wraps each payload. `condenses` has a replay tell only the newest event of a type and resource of which
    more than EVENT_STREAM_REPLAY_LIMIT were missed.

    `has_switch` says that the project may switch it off (`ACCESS.enabled`); of one that has none nobody is asked.
    """

    name: str
    path: str = field(kw_only=True)
    events_path: str = field(default="", kw_only=True)
    snapshot: Snapshot | None = field(default=None, kw_only=True)
    scope: Scoping | None = field(default=None, kw_only=True)
    queries: frozenset[str] = field(default=frozenset(), kw_only=True)
    envelope: Envelope | None = field(default=None, kw_only=True)
    condenses: bool = field(default=False, kw_only=True)
    has_switch: bool = field(default=False, kw_only=True)
    events: dict[str, type[Event]] = field(default_factory=dict, kw_only=True)
    summary: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        registry.add(self)

    @property
    def types(self) -> frozenset[str]:
        return frozenset(self.events)

    def announces(self, *events: type[Event]) -> None:
        """Declare events that this stream carries."""
        for event in events:
            registry.declare(event)
            self.events[event.event_type] = event

    def on_save(
        self,
        model: type,
        *,
        created: bool | None = None,
        on_change: Iterable[str] = (),
        org: Callable[[Any], str] = org_of,
    ) -> Callable[[Maker], Maker]:
        """Make an event when a row is saved.

        `created=True` only for new rows; `on_change` for new rows and where one of these fields changed.
        """

        def register(make: Maker) -> Maker:
            self._rule(
                Rule(model=model, signal="save", created=created, on_change=tuple(on_change), org=org, make=make)
            )
            return make

        return register

    def on_delete(self, model: type, *, org: Callable[[Any], str] = org_of) -> Callable[[Maker], Maker]:
        """Make an event when a row is deleted; the function sees the row as it was."""

        def register(make: Maker) -> Maker:
            self._rule(Rule(model=model, signal="delete", org=org, make=make))
            return make

        return register

    def _rule(self, rule: Rule) -> None:
        self.announces(*declared_events(rule.make))
        registry.rules.append(rule)


def declared_events(make: Maker) -> list[type[Event]]:
    """Read the events that a rule's function makes from its return annotation."""
    hint = typing.get_type_hints(make).get("return")
    union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    parts = typing.get_args(hint) if union else (hint,)
    events = [part for part in parts if isinstance(part, type) and issubclass(part, Event)]
    if not events:
        name = getattr(make, "__qualname__", repr(make))
        raise ConfigurationError(f"{name} must be annotated with the event that it returns.")
    return events


class Registry:
    """Everything that the project's `streams.py` modules have declared."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}
        self.events: dict[str, type[Event]] = {}
        self.rules: list[Rule] = []
        self.grants: list[Grant] = []

    def add(self, stream: Stream) -> None:
        known = self.streams.get(stream.name)
        if known is not None or any(other.path == stream.path for other in self.streams.values()):
            raise ConfigurationError(f"A stream {stream.name!r} or another one at {stream.path!r} is declared already.")
        self.streams[stream.name] = stream
        for event in stream.events.values():
            self.declare(event)

    def declare(self, event: type[Event]) -> None:
        if not event.event_type:
            raise ConfigurationError(f"{event.__name__} has no type; write class {event.__name__}(Event, type=…).")
        if self.events.setdefault(event.event_type, event) is not event:
            raise ConfigurationError(f"Two events are declared with the type {event.event_type!r}.")

    def event(self, type: str) -> type[Event]:
        """Return the event class of a type."""
        try:
            return self.events[type]
        except KeyError:
            raise UnknownEvent(f"No event of type {type!r} is declared.") from None

    def rules_for(self, model: type) -> Iterator[Rule]:
        """Yield the rules that concern a model: its own and those of the models that it inherits from."""
        lineage = set(model.__mro__)
        return (rule for rule in self.rules if rule.model in lineage)

    def forget(self, stream: Stream) -> None:
        """Take a declaration back; for tests."""
        self.streams.pop(stream.name, None)
        for type_ in stream.events:
            self.events.pop(type_, None)
        self.rules[:] = [rule for rule in self.rules if not set(_types(rule)) & set(stream.events)]


def _types(rule: Rule) -> list[str]:
    return [event.event_type for event in declared_events(rule.make)]


registry = Registry()
