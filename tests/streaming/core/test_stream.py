from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from streaming.core.errors import ConfigurationError, UnknownEvent
from streaming.core.event import Announcement, Event
from streaming.core.stream import Registry, Stream, declared_events, org_of, registry


class Opened(Event, type="test.door.opened"):
    door: str


class Closed(Event, type="test.door.closed"):
    door: str


class Nameless(Event):
    door: str


class Door:
    pass


class Gate(Door):
    pass


class Window:
    pass


@pytest.fixture
def doors() -> Iterator[Stream]:
    stream = Stream("test-doors", path="test/doors")
    yield stream
    registry.forget(stream)


def opened(door: Door) -> Opened:
    return Opened(door="front")


def swung(door: Door) -> Opened | Closed | None:
    return None


def test_declaring_a_rule_declares_its_event_for_the_stream(doors: Stream) -> None:
    assert doors.on_save(Door, created=True, on_change=["state"])(opened) is opened
    assert doors.types == {"test.door.opened"}
    assert registry.event("test.door.opened") is Opened
    (rule,) = registry.rules_for(Door)
    assert (rule.signal, rule.created, rule.on_change, rule.make) == ("save", True, ("state",), opened)
    assert rule.org(SimpleNamespace(org_id=5)) == "5"


def test_a_delete_is_a_rule_of_its_own(doors: Stream) -> None:
    doors.on_delete(Door, org=lambda door: "o")(swung)
    (rule,) = registry.rules_for(Door)
    assert (rule.signal, rule.created, rule.on_change, rule.org(None)) == ("delete", None, (), "o")
    assert doors.types == {"test.door.opened", "test.door.closed"}


def test_rules_of_a_model_hold_for_those_that_inherit_from_it(doors: Stream) -> None:
    doors.on_save(Door)(opened)
    assert len(list(registry.rules_for(Gate))) == 1
    assert list(registry.rules_for(Window)) == []


def test_events_that_no_rule_makes_are_announced_by_name(doors: Stream) -> None:
    doors.announces(Opened, Closed)
    assert doors.types == {"test.door.opened", "test.door.closed"}


def test_a_forgotten_stream_leaves_nothing_behind(doors: Stream) -> None:
    before = len(registry.rules)
    doors.on_save(Door)(opened)
    registry.forget(doors)
    assert len(registry.rules) == before
    assert "test-doors" not in registry.streams
    with pytest.raises(UnknownEvent, match=r"No event of type 'test\.door\.opened' is declared"):
        registry.event("test.door.opened")
    registry.forget(doors)


@pytest.mark.parametrize(("name", "path"), [("test-doors", "elsewhere"), ("another", "test/doors")])
def test_a_name_or_path_that_is_taken_is_refused(doors: Stream, name: str, path: str) -> None:
    with pytest.raises(ConfigurationError, match="is declared already"):
        Stream(name, path=path)
    assert registry.streams["test-doors"] is doors


def test_events_that_a_stream_brings_along_are_declared_with_it() -> None:
    stream = Stream("test-brought", path="test/brought", events={"test.door.closed": Closed})
    try:
        assert registry.event("test.door.closed") is Closed
    finally:
        registry.forget(stream)


def test_an_event_without_a_type_cannot_be_announced(doors: Stream) -> None:
    with pytest.raises(ConfigurationError, match="Nameless has no type; write class Nameless"):
        doors.announces(Nameless)


def test_one_type_has_one_event(doors: Stream) -> None:
    class Impostor(Event, type="test.door.opened"):
        pass

    doors.announces(Opened)
    with pytest.raises(ConfigurationError, match=r"Two events are declared with the type 'test\.door\.opened'"):
        doors.announces(Impostor)
    doors.announces(Opened)


def test_a_rule_says_by_its_annotation_what_it_makes() -> None:
    def optional(door: Door) -> Opened | None: ...

    def addressed(door: Door) -> Closed | Announcement | None: ...

    assert declared_events(opened) == [Opened]
    assert declared_events(swung) == [Opened, Closed]
    assert declared_events(optional) == [Opened]
    assert declared_events(addressed) == [Closed]


def test_a_rule_that_does_not_say_what_it_makes_is_refused(doors: Stream) -> None:
    def silent(door: Door):  # type: ignore[no-untyped-def]
        return None

    def wrong(door: Door) -> str:
        return ""

    for make in (silent, wrong):
        with pytest.raises(ConfigurationError, match="must be annotated with the event that it returns"):
            doors.on_save(Door)(make)
    assert doors.types == frozenset()


def test_the_org_of_an_instance_is_text() -> None:
    assert org_of(SimpleNamespace(org_id=17)) == "17"


def test_a_registry_is_empty_until_something_is_declared() -> None:
    fresh = Registry()
    assert (fresh.streams, fresh.events, fresh.rules) == ({}, {}, [])
