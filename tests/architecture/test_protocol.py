"""PROTOCOL.md held against the code: what it tables exists exactly so, and what exists is in its tables."""

from __future__ import annotations

import ast
import re
import typing
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from redline.monitoring.streams import org_feed
from redline.projects.streams import workspace_feed
from streaming.core.cursor import ResetReason
from streaming.core.errors import CloseReason
from streaming.core.event import Event, Instant
from tests.environment import ROOT

TEXT = (ROOT / "streaming" / "PROTOCOL.md").read_text()
CODE = re.compile(r"`([^`]+)`")
Row = list[str]


def table(first: str, *, within: str = TEXT) -> list[Row]:
    """Return the rows of the one table whose first column is called so."""
    head = re.compile(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", re.MULTILINE)
    found = head.findall(within)
    assert len(found) == 1, f"{len(found)} tables begin with {first!r}"
    return [[cell.strip() for cell in line.strip("|\n").split("|")] for line in found[0].splitlines()]


def name(cell: str) -> str:
    """Return the one name in backticks that a cell is."""
    match = CODE.fullmatch(cell)
    assert match, cell
    return match[1]


def test_the_close_reasons_are_the_codes_each_with_its_sentence_and_whether_to_come_back() -> None:
    rows = table("close reason")
    assert [name(row[0]) for row in rows] == [reason.value for reason in CloseReason]
    assert [row[1] for row in rows] == ["yes" if reason.reconnect else "no" for reason in CloseReason]
    assert all(re.fullmatch(r"[A-Z].+\.", row[2]) for row in rows)


def test_the_reset_reasons_are_the_codes_in_the_order_in_which_they_are_checked() -> None:
    rows = table("reset reason")
    assert [name(row[0]) for row in rows] == [reason.value for reason in ResetReason]
    assert all(row[1] for row in rows)


def raised() -> Iterator[tuple[int, str]]:
    """Yield status and code of every `Refused` that `streaming` makes."""
    for path in (ROOT / "streaming").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Refused") and node.args:
                status, code = (typing.cast("Any", argument).value for argument in node.args[:2])
                yield status, code


def test_the_refusals_are_those_that_the_code_makes_in_the_order_of_the_checks() -> None:
    rows = [(int(row[0]), name(row[1])) for row in table("status")]
    assert set(rows) == set(raised())
    positions = {row: index for index, row in enumerate(rows)}
    assert [positions[one] for one in ADMISSION] == sorted(positions[one] for one in ADMISSION)


ADMISSION = [
    (405, "method-not-allowed"),
    (429, "rate-limited"),
    (401, "unauthenticated"),
    (400, "validation-failed"),
    (403, "forbidden"),
    (429, "too-many-connections"),
]


def test_every_refusal_that_will_pass_is_said_to_have_a_retry_after() -> None:
    for row in table("status"):
        passing = row[0] in ("429", "503") and "switched off" not in row[2]
        assert ("`Retry-After`" in row[2] and "without `Retry-After`" not in row[2]) is passing, row


SECTIONS = {"## 10. ": org_feed, "## 11. ": workspace_feed}
EVENTS = [(section, name) for section, feed in SECTIONS.items() for name in feed.events]


def documented(section: str) -> dict[str, dict[str, tuple[str, str]]]:
    """Return type and presence of each key of each event."""
    section = TEXT.partition(section)[2].partition("\n## ")[0].partition("### The state")[0]
    parts = re.split(r"^### `(.+)`$", section, flags=re.MULTILINE)[1:]
    return {
        type_: {name(key): (kind, present) for key, kind, present in table("key", within=body)}
        for type_, body in zip(parts[::2], parts[1::2], strict=True)
    }


def declared(event: type[Event]) -> dict[str, tuple[str, str]]:
    """Return the same as the code has it: a field that may be None is left out on the wire, or null."""
    hints = typing.get_type_hints(event, include_extras=True)
    empty = "may be `null`" if event.nulls else "may be absent"
    return {str(field.alias): kind(hints[key], empty) for key, field in event.model_fields.items()}


def kind(hint: Any, empty: str = "") -> tuple[str, str]:
    if hint == Instant:
        return "instant", "always"
    if typing.get_origin(hint) is Literal:
        return "one of " + " ".join(f"`{value}`" for value in typing.get_args(hint)), "always"
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        inner = {str(field.alias or key): key for key, field in parts[0].model_fields.items()}
        return "list of " + " ".join(f"`{name}`" for name in inner), "always"
    if type(None) in parts:
        (rest,) = (part for part in parts if part is not type(None))
        return kind(rest)[0], empty
    return {str: "text", int: "whole number", bool: "true or false"}[hint], "always"


@pytest.mark.parametrize("section", SECTIONS)
def test_the_documented_events_are_the_declared_ones(section: str) -> None:
    assert documented(section).keys() == SECTIONS[section].events.keys()


@pytest.mark.parametrize(("section", "type_"), EVENTS)
def test_each_event_has_exactly_the_documented_keys_types_and_values(section: str, type_: str) -> None:
    event = SECTIONS[section].events[type_]
    assert event.nulls is (section == "## 11. ")
    assert documented(section)[type_] == declared(event)


@pytest.mark.parametrize("type_", org_feed.events)
def test_what_may_be_absent_is_left_out_and_never_null(type_: str) -> None:
    event = org_feed.events[type_]
    optional = {key for key, (_, present) in declared(event).items() if present == "may be absent"}
    made = event(**{key: example(kind) for key, (kind, _) in declared(event).items() if key not in optional})
    assert set(re.findall(rb'"(\w+)":', made.payload())) == {key.encode() for key in declared(event).keys() - optional}
    assert b"null" not in made.payload()


def example(kind: str) -> Any:
    if kind.startswith("one of"):
        return CODE.findall(kind)[0]
    return {"text": "x", "whole number": 1, "true or false": True, "instant": "2026-01-01T00:00:00.000Z"}[kind]


def test_every_event_has_its_line_in_the_table_of_what_a_client_does() -> None:
    assert sorted(name(row[0]) for row in table("event")) == sorted(org_feed.events)


def sent() -> set[str]:
    """Return every event of the protocol's own that the code writes."""
    sources = "".join(path.read_text() for path in (ROOT / "streaming").rglob("*.py"))
    return set(re.findall(r'sse\.control\(\s*"([\w.]+)"', sources))


def test_every_block_of_the_protocols_own_is_in_the_table_of_blocks_and_nothing_else() -> None:
    told = {one for row in table("block") for one in CODE.findall(row[0])}
    assert told == sent() | {": heartbeat"}
    assert sent() == {"stream.open", "stream.reset", "stream.caught_up", "stream.closing", "heartbeat"}


def parameters() -> set[str]:
    """Return every parameter that the async side reads by name."""
    source = "".join((ROOT / "streaming" / "asgi" / file).read_text() for file in ("admission.py", "consumers.py"))
    read = set(re.findall(r'(?:\.parameter\(|_choice\(exchange, |_number\(exchange, )"(\w+)"', source))
    return read | {"lastEventId", "org"}


def test_the_parameters_of_streams_and_polls_are_those_that_are_read() -> None:
    both = [row for first in TEXT.split("| parameter | meaning |\n|---|---|\n")[1:] for row in first.splitlines()]
    told = {match[1] for row in both if (match := re.match(r"\| `(\w+)=", row))}
    assert told == parameters()


def test_the_opening_block_has_the_documented_keys() -> None:
    source = (ROOT / "streaming" / "asgi" / "session.py").read_text()
    example = re.search(r"event: stream\.open\n    data: (\{.*\})", TEXT)
    assert example
    written = source.partition('"stream.open",')[2].partition("},")[0]
    assert re.findall(r'"(\w+)":', example[1]) == re.findall(r'^\s+"(\w+)":', written, re.MULTILINE)
