"""Rows that somebody or something has damaged: left out, counted, and nobody else the worse for it."""

from __future__ import annotations

import uuid

import orjson
import pytest
from django.db import connection

from streaming import incidents, log
from streaming.core import wire
from streaming.core.cursor import Cursor
from streaming.incidents import Incident
from streaming.models import LogEntry
from tests.streaming.sync.sample import commit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

DAMAGE = [
    ("data", ""),
    ("data", "{"),
    ("data", "{'single': 1}"),
    ("data", "\N{BYTE ORDER MARK}{}"),
    ("data", 'x"}\n\nevent: stream.closing\ndata: {}\n\n'),
    ("type", ""),
    ("type", "two words"),
    ("type", "line\nfeed"),
]
ONLY_ON_SQLITE = [  # PostgreSQL has types
    ("emitted_at", "yesterday"),
    ("emitted_at", ""),
    ("data", b"\xff\xfe"),
]


def damage(org: str, sequence: int, column: str, value: object) -> None:
    """Write past every field and check of Django, as a hand in psql does."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE streaming_logentry SET {column} = %s WHERE org = %s AND sequence = %s", [value, org, sequence]
        )
        assert cursor.rowcount == 1


def holds_a_damaged_entry(org: str, value: object) -> None:
    before = incidents.counted(Incident.DAMAGED_ENTRY)
    page = log.read(org, first=1, limit=9)
    assert [one.sequence for one in page.entries] == [1, 2, 3, 4]
    assert incidents.counted(Incident.DAMAGED_ENTRY) == before + 1
    stand_in = page.entries[1]
    assert (stand_in.type, stand_in.keys, stand_in.audience, stand_in.data) == (wire.RIGHTS, set(), set(), b"{}")
    assert Cursor.parse(str(stand_in.cursor)) == stand_in.cursor, "a client can stand at it"
    assert log.fingerprints([(org, 2)]) == {(org, 2): stand_in.fingerprint}
    assert [one.cursor for one in log.read(org, first=2, limit=1).entries] == [stand_in.cursor], "it stays the same"
    found = log.whole(org, 2)
    assert found is not None
    assert found[0].type == wire.RIGHTS
    for one in (page.entries[0], *page.entries[2:]):
        assert orjson.loads(one.data)["headline"]


@pytest.mark.parametrize(("column", "value"), DAMAGE)
def test_a_damaged_row_is_a_place_in_the_log_that_shows_nothing(org: str, column: str, value: object) -> None:
    commit(org, "abcd")
    damage(org, 2, column, value)
    holds_a_damaged_entry(org, value)


@pytest.mark.sqlite
@pytest.mark.parametrize(("column", "value"), ONLY_ON_SQLITE)
def test_neither_does_one_with_what_the_column_is_not_for(org: str, column: str, value: object) -> None:
    commit(org, "abcd")
    damage(org, 2, column, value)
    holds_a_damaged_entry(org, value)


@pytest.mark.sqlite
@pytest.mark.parametrize("uid", ["not a uuid at all", "ZZZZZZZZZZZZZZZZ", "", "1234"])
def test_an_entry_whose_uid_is_damaged_is_shown_and_can_be_stood_at(org: str, uid: str) -> None:
    commit(org, "abc")
    damage(org, 2, "uid", uid)
    for _ in range(2):
        entry = log.read(org, first=2, limit=1).entries[0]
        assert Cursor.parse(str(entry.cursor)) == entry.cursor
        assert log.fingerprints([(org, 2)]) == {(org, 2): entry.fingerprint}
        assert orjson.loads(entry.data)["headline"] == "b"


def test_a_row_that_is_damaged_before_it_is_sequenced_holds_nobody_up(org: str) -> None:
    LogEntry.objects.create(org=org, type="change.detected", data="{", uid=uuid.uuid4())
    commit(org, "ab")
    page = log.read(org, first=1, limit=9)
    assert [one.sequence for one in page.entries] == [1, 2, 3]
    assert [one.type for one in page.entries] == [wire.RIGHTS, "change.detected", "change.detected"]
    assert page.head.cursor == page.entries[-1].cursor


def test_a_log_whose_newest_row_is_damaged_goes_on(org: str) -> None:
    commit(org, "ab")
    damage(org, 2, "data", "{")
    commit(org, "c")
    assert [one.sequence for one in log.recent(org, limit=9).entries] == [1, 2, 3]


def test_json_that_somebody_has_written_in_several_lines_goes_out_in_one(org: str) -> None:
    commit(org, "ab")
    damage(org, 2, "data", '{\r\n  "headline": "by hand",\n  "a": [1,\n 2]\n}')
    assert log.read(org, first=2, limit=1).entries[0].data == b'{"headline":"by hand","a":[1,2]}'


def test_what_is_well_goes_out_byte_for_byte(org: str) -> None:
    commit(org, ["é \N{LINE SEPARATOR} \\n \N{GRINNING FACE}"])
    (row,) = LogEntry.objects.filter(org=org)
    assert log.read(org, first=1, limit=1).entries[0].data == row.data.encode()


def test_a_flood_of_damaged_rows_is_one_line_in_the_log(
    org: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "_logged_at", {})
    commit(org, "abcdef")
    LogEntry.objects.filter(org=org).update(data="{")
    for _ in range(3):
        log.read(org, first=1, limit=9)
    lines = [record.getMessage() for record in caplog.records if record.name == "streaming.incidents"]
    assert len(lines) == 1
    assert f"entry {log.head(org).epoch}.1 is damaged" in lines[0]
