from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from pydantic import ValidationError
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from redline.monitoring.models import ChangeReport, Run
from streaming import sequencer
from streaming.core import sse
from streaming.core.errors import EmitError, NotInTransaction, UnknownEvent, WrongDatabase
from streaming.core.event import Event
from streaming.models import LogEntry
from streaming.outbox import append_copies, emit, emit_many, fit
from tests.streaming.sync.conftest import House
from tests.streaming.sync.sample import commit, detected, entries, headlines, new_org, sequences
from tests.streaming.sync.together import elsewhere

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


class Undo(Exception):
    pass


class Undeclared(Event, type="test.undeclared"):
    pass


def test_emitting_outside_a_transaction_is_refused(org: str) -> None:
    with pytest.raises(NotInTransaction, match=r"open transaction\.atomic"):
        emit(detected(), org=org)
    assert LogEntry.objects.count() == 0


def test_emitting_for_a_row_of_another_database_is_refused(org: str) -> None:
    with pytest.raises(WrongDatabase, match="'default' and the row was written to 'archive'"), transaction.atomic():
        emit(detected(), org=org, using="archive")


@pytest.mark.parametrize("bad", ["", "a b", "a" * 41, "a\n", "ä", "a.b"])
def test_an_org_that_no_group_can_have_is_refused(bad: str) -> None:
    with pytest.raises(EmitError, match="1 to 40"), transaction.atomic():
        emit(detected(), org=bad)
    assert LogEntry.objects.count() == 0


def test_an_event_that_no_stream_declares_is_refused(org: str) -> None:
    with pytest.raises(UnknownEvent, match=r"'test\.undeclared'"), transaction.atomic():
        emit(Undeclared(), org=org)


@pytest.mark.parametrize("word", ["", " ", "a b", "a\n", "\u2028", "a\u00a0b"])
def test_a_key_that_is_not_one_word_is_refused(org: str, word: str) -> None:
    for about in ({"keys": ["a", word]}, {"audience": [word]}):
        with pytest.raises(EmitError, match="one word"), transaction.atomic():
            emit(detected().about("", **about), org=org)
    assert LogEntry.objects.count() == 0


def test_what_filters_decide_on_is_in_columns(org: str) -> None:
    at = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    with transaction.atomic():
        emit(detected("h").about("chg_1", keys=["b", "a"], audience=["u", "t"]), org=org, emitted_at=at)
    (entry,) = entries(org)
    assert (entry.type, entry.resource, entry.keys, entry.audience, entry.emitted_at) == (
        "change.detected",
        "chg_1",
        {"a", "b"},
        {"t", "u"},
        at,
    )
    assert (LogEntry.objects.get().keys, LogEntry.objects.get().audience) == ("a b", "t u")


def test_a_plain_event_can_be_given_its_resource(org: str) -> None:
    with transaction.atomic():
        row = emit(detected(), org=org, resource="chg_9", using="default")
    assert (row.resource, entries(org)[0].resource) == ("chg_9", "chg_9")


def test_many_events_are_one_insert_and_keep_their_order(
    org: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with transaction.atomic(), django_assert_num_queries(1):
        emit_many([(org, detected(n).about("")) for n in range(50)])
    assert headlines(org) == [str(n) for n in range(50)]


def test_no_events_are_nothing(org: str) -> None:
    with transaction.atomic():
        assert emit_many([]) == []
    assert LogEntry.objects.count() == 0


def test_a_rolled_back_event_never_existed(org: str) -> None:
    with transaction.atomic():
        emit(detected("undone"), org=org)
        transaction.set_rollback(True)
    commit(org, ["kept"])
    assert headlines(org) == ["kept"]
    assert sequences(org) == [1]


def test_a_rolled_back_savepoint_takes_its_events_and_no_others(org: str) -> None:
    with transaction.atomic():
        emit(detected("first"), org=org)
        with transaction.atomic():
            emit(detected("undone"), org=org)
            transaction.set_rollback(True)
        emit(detected("last"), org=org)
    assert headlines(org) == ["first", "last"]


@pytest.mark.parametrize("undone", [0, 1, 2])
def test_whichever_savepoint_is_undone_the_org_is_handed_over_once(
    org: str, undone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[set[str]] = []
    real = sequencer.hand_over
    monkeypatch.setattr(sequencer, "hand_over", lambda orgs: (handed.append(set(orgs)), real(orgs)))
    with transaction.atomic():
        for n in range(3):
            try:
                with transaction.atomic():
                    emit(detected(n), org=org)
                    if n == undone:
                        raise Undo
            except Undo:
                pass
    assert len(handed) == 1
    assert headlines(org) == [str(n) for n in range(3) if n != undone]


def test_all_orgs_of_a_transaction_are_handed_over_together(org: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[set[str]] = []
    monkeypatch.setattr(sequencer, "hand_over", lambda orgs: handed.append(set(orgs)))
    other = new_org()
    with transaction.atomic():
        emit(detected(), org=org)
        emit(detected(), org=other)
        emit(detected(), org=org)
        assert handed == []
    assert handed == [{org, other}]


def test_a_failing_hand_over_hurts_neither_the_writer_nor_later_callbacks(
    org: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    later: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(sequencer, "hand_over", lambda orgs: 1 / 0)
        with transaction.atomic():
            emit(detected(), org=org)
            transaction.on_commit(lambda: later.append("ran"))
    assert later == ["ran"]
    commit(org)
    assert sequences(org) == [1, 2]


def test_another_threads_transaction_is_not_handed_over(org: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[set[str]] = []
    monkeypatch.setattr(sequencer, "hand_over", lambda orgs: handed.append(set(orgs)))
    commit(org)
    other = new_org()
    elsewhere(lambda: commit(other))
    assert handed == [{org}, {other}]


def payload_of(size: int) -> Event:
    empty = len(detected("").payload())
    return detected("x" * (size - empty))


def test_an_event_of_exactly_the_limit_goes_out_as_it_is_and_one_byte_more_goes_out_thin(
    org: str, settings: Settings
) -> None:
    limit = 2_000
    settings.STREAMING = {**settings.STREAMING, "EVENT_MAX_BYTES": limit}
    room = limit - sse.overhead("change.detected")
    with transaction.atomic():
        for size in (room - 1, room, room + 1):
            emit(payload_of(size), org=org, resource="chg_1")
    below, exactly, above = LogEntry.objects.order_by("id")
    assert [len(row.data) for row in (below, exactly)] == [room - 1, room]
    assert below.whole is exactly.whole is None
    assert json.loads(above.data) == {
        "oversize": True,
        "bytes": room + 1,
        "type": "change.detected",
        "resource": "chg_1",
    }
    assert above.whole is not None
    assert len(above.whole) == room + 1
    assert max(len(entry.frame()) for entry in entries(org)) <= limit


def test_the_limit_counts_bytes_and_not_characters(settings: Settings) -> None:
    settings.STREAMING = {**settings.STREAMING, "EVENT_MAX_BYTES": 300}
    payload = detected("é" * 120).payload()
    assert len(payload.decode()) < 300 - sse.overhead("t") < len(payload)
    assert b"oversize" in fit(payload, type="t", resource="", org="o")


def test_a_payload_that_breaks_its_schema_rolls_the_save_back(house: House) -> None:
    with pytest.raises(ValidationError):
        ChangeReport.objects.create(org=house.org, vendor=house.vendor, severity="P9", headline="h")
    assert ChangeReport.objects.count() == LogEntry.objects.count() == 0


@pytest.mark.sqlite  # PostgreSQL's driver refuses half a character by itself
def test_half_a_character_rolls_the_save_back(house: House) -> None:
    with pytest.raises(ValueError, match="surrogates"):
        ChangeReport.objects.create(org=house.org, vendor=house.vendor, severity="P1", headline="a\ud800")
    assert ChangeReport.objects.count() == LogEntry.objects.count() == 0


def test_a_refused_event_rolls_the_save_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from streaming.core.stream import registry

    monkeypatch.delitem(registry.events, "scheduler.tick")
    with pytest.raises(UnknownEvent):
        Run.objects.create(org=house.org, vendor=house.vendor)
    assert Run.objects.count() == 0


def test_copies_remember_their_originals_and_are_whole(org: str, settings: Settings) -> None:
    settings.STREAMING = {**settings.STREAMING, "EVENT_MAX_BYTES": 200}
    rows = commit(org, ["a", "b" * 300], keys=["k"], audience=["u"])
    other = new_org()
    originals = list(LogEntry.objects.order_by("id"))
    append_copies(originals, org=other, epoch="7f3a")
    copies = list(LogEntry.objects.filter(org=other).order_by("id"))
    columns = ("type", "resource", "keys", "audience", "data", "whole")
    for copy, original, row in zip(copies, originals, rows, strict=True):
        assert [getattr(copy, name) for name in columns] == [getattr(original, name) for name in columns]
        assert copy.replay_of == f"7f3a.{original.sequence}.{row.uid.hex[:8]}"
        assert copy.uid != original.uid
    assert sequences(other) == [1, 2]


def test_the_public_door_opens_to_what_it_names() -> None:
    import streaming
    from streaming.models import StreamedModel

    doors: Any = streaming
    assert doors.emit is emit
    assert doors.StreamedModel is StreamedModel
    with pytest.raises(AttributeError, match="no attribute 'publish'"):
        doors.publish  # noqa: B018 - looking is the act


@pytest.mark.django_db(transaction=True)
def test_a_resource_longer_than_its_column_is_refused() -> None:
    with transaction.atomic(), pytest.raises(EmitError, match="64 characters"):
        emit(detected(), org="main", resource="r" * 65)
