from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections, transaction
from pytest_django.fixtures import DjangoAssertNumQueries

from streaming import log, sequencer
from streaming.models import Head, LogEntry
from streaming.outbox import emit
from tests.processes import wait_until
from tests.streaming.sync.sample import commit, detected, headlines, new_org, sequences, waiting
from tests.streaming.sync.together import elsewhere, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def once_before(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object]) -> None:
    """Do `act` in another thread when the sequencer first reaches a function of its own."""
    real, done = getattr(sequencer, name), []

    def barrier(*args: Any) -> Any:
        if not done:
            done.append(True)
            elsewhere(act)
        return real(*args)

    monkeypatch.setattr(sequencer, name, barrier)


def once_after(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object]) -> None:
    real, done = getattr(sequencer, name), []

    def barrier(*args: Any) -> Any:
        result = real(*args)
        if not done:
            done.append(True)
            elsewhere(act)
        return result

    monkeypatch.setattr(sequencer, name, barrier)


def outbox(org: str, count: int = 1) -> None:
    """Write entries as a process does that dies before it hands them over."""
    rows = [LogEntry(org=org, type="change.detected", data=detected(n).payload().decode()) for n in range(count)]
    LogEntry.objects.bulk_create(rows)


def test_a_log_is_dense_from_1_in_the_order_of_emitting(org: str) -> None:
    for n in range(7):
        commit(org, range(n * 3, n * 3 + 3))
    assert sequences(org) == list(range(1, 22))
    assert headlines(org) == [str(n) for n in range(21)]


def test_a_new_org_gets_a_head_with_an_epoch_of_its_own(org: str) -> None:
    other = new_org()
    commit(org)
    commit(other)
    heads = log.heads([org, other])
    assert {head.sequence for head in heads.values()} == {1}
    assert heads[org].epoch != heads[other].epoch


def test_the_head_is_the_last_entry(org: str) -> None:
    rows = commit(org, range(3))
    assert log.head(org).fingerprint == rows[-1].uid.hex[:8]
    assert str(log.head(org).cursor) == str(log.read(org, first=3, limit=1).entries[0].cursor)


def test_nothing_waiting_is_no_batch(org: str) -> None:
    assert list(sequencer.sequence([org])) == []
    assert list(sequencer.sequence([])) == []
    assert log.head(org).sequence == 0


def test_a_batch_says_what_it_follows(org: str) -> None:
    outbox(org, 2)
    (first,) = sequencer.sequence([org])
    outbox(org, 1)
    (second,) = sequencer.sequence([org])
    assert (first.org, first.after, first.head) == (org, "00000000", 2)
    assert (second.after, second.head) == (first.entries[-1].fingerprint, 3)


def test_what_a_batch_carries_is_what_the_log_says(org: str) -> None:
    with transaction.atomic():
        emit(detected("é\u2028").about("chg_1", keys=["a", "b"], audience=["u"]), org=org)
        LogEntry.objects.filter(org=org).update(replay_of="e.1.00000000")
        transaction.get_connection().run_on_commit.clear()
    (batch,) = sequencer.sequence([org])
    (sent,), (read,) = batch.entries, log.read(org, first=1, limit=1).entries
    for name in ("epoch", "sequence", "fingerprint", "type", "resource", "keys", "audience", "data", "emitted_at"):
        assert getattr(sent, name) == getattr(read, name), name
    assert sent.replay_of == read.replay_of == "e.1.00000000"


def test_more_entries_and_orgs_than_go_at_once_are_taken_in_turns(org: str) -> None:
    outbox(org, 1203)
    others = [new_org() for _ in range(300)]
    for other in others:
        outbox(other)
    batches = list(sequencer.sequence([org, *others]))
    assert [len(batch.entries) for batch in batches if batch.org == org] == [500, 500, 203]
    assert {batch.org for batch in batches} == {org, *others}
    assert sequences(org) == list(range(1, 1204))
    assert sequencer.waiting_orgs() == set()


def test_one_transaction_numbers_any_number_of_orgs_by_three_statements(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    orgs = [new_org() for _ in range(20)]
    for each in orgs:
        outbox(each, 2)
    list(sequencer.sequence(orgs))
    for each in orgs:
        outbox(each, 2)
    with django_assert_num_queries(6, exact=False) as captured:
        assert len(list(sequencer.sequence(orgs))) == 20
    writes = [query["sql"] for query in captured if query["sql"].startswith("UPDATE streaming_logentry")]
    assert len(writes) == 1


@pytest.mark.postgres  # nobody can write while SQLite's sequencer is in its transaction
def test_what_comes_between_the_empty_look_and_the_commit_is_not_left_behind(
    org: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(sequencer.sequence([org]))
    once_before(monkeypatch, "_advance", lambda: commit(org))
    list(sequencer.sequence([org]))
    assert sequences(org) == [1]
    assert waiting(org) == 0


@pytest.mark.parametrize("barrier", [once_before, once_after])
def test_what_comes_around_the_second_look_is_not_left_behind(
    org: str, monkeypatch: pytest.MonkeyPatch, barrier: Callable[..., None]
) -> None:
    commit(org)
    barrier(monkeypatch, "_waiting", lambda: commit(org))
    list(sequencer.sequence([org]))
    assert sequences(org) == [1, 2]
    assert waiting(org) == 0


@pytest.mark.postgres  # on SQLite a second sequencer waits for the first
def test_a_caller_that_met_a_held_lock_may_leave(org: str, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(org)
    left_with: list[int] = []

    def writer() -> None:
        commit(org, range(5))
        left_with.append(waiting(org))

    outbox(org)
    once_before(monkeypatch, "_advance", writer)
    list(sequencer.sequence([org]))
    assert left_with == [6], "the writer was not held up, and found the lock taken"
    assert sequences(org) == list(range(1, 8))


@pytest.mark.postgres
def test_an_org_whose_head_a_user_has_locked_waits_and_the_others_do_not(org: str) -> None:
    free = new_org()
    commit(org)
    commit(free)
    with transaction.atomic():
        Head.objects.select_for_update().get(org=org)
        elsewhere(lambda: commit(org))
        elsewhere(lambda: (outbox(free), list(sequencer.sequence([org, free]))))
        assert (waiting(org), waiting(free)) == (1, 0)
        assert sequences(free) == [1, 2]
    list(sequencer.sequence(sequencer.waiting_orgs()))
    assert sequences(org) == [1, 2]


@pytest.mark.postgres
def test_an_open_transaction_that_has_emitted_holds_nobody_up(org: str) -> None:
    with transaction.atomic():
        emit(detected("open"), org=org)
        elsewhere(lambda: commit(org, ["done"]))
        elsewhere(lambda: pytest.fail("held up") if headlines(org) != ["done"] else None)
    assert headlines(org) == ["done", "open"]


def test_entries_that_a_foreign_statement_inserted_are_found(org: str) -> None:
    outbox(org, 3)
    assert sequencer.waiting_orgs() == {org}
    list(sequencer.sequence(sequencer.waiting_orgs()))
    assert sequences(org) == [1, 2, 3]


def test_a_head_that_was_deleted_behind_our_back_is_made_anew_at_the_second_try(org: str) -> None:
    commit(org)
    LogEntry.objects.all().delete()
    Head.objects.all().delete()
    commit(org)
    list(sequencer.sequence([org]))
    assert sequences(org) == [1]


def test_a_head_that_was_set_back_is_an_error_and_writes_nothing(org: str, caplog: pytest.LogCaptureFixture) -> None:
    commit(org, range(3))
    Head.objects.filter(org=org).update(sequence=1)
    outbox(org)
    assert list(sequencer.sequence([org])) == []
    assert "cannot be sequenced" in caplog.text
    assert waiting(org) == 1
    assert Head.objects.get(org=org).sequence == 1


def test_a_broken_log_holds_no_other_org_up(org: str) -> None:
    commit(org, range(3))
    Head.objects.filter(org=org).update(sequence=1)
    others = [new_org() for _ in range(3)]
    for one in (org, *others):
        outbox(one)
    assert {batch.org for batch in sequencer.sequence([org, *others])} == set(others)
    assert waiting(org) == 1


def test_a_head_that_was_deleted_is_reborn_behind_what_its_log_holds(org: str) -> None:
    commit(org, range(3))
    epoch = Head.objects.get(org=org).epoch
    Head.objects.filter(org=org).delete()
    sequencer._known.discard(org)
    outbox(org)
    (batch,) = sequencer.sequence([org])
    assert [entry.sequence for entry in batch.entries] == [4]
    head = Head.objects.get(org=org)
    assert (head.sequence, head.floor) == (4, 1)
    assert head.epoch != epoch


def test_a_head_that_moves_while_it_is_locked_is_an_error_and_writes_nothing(
    org: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    commit(org)
    outbox(org)
    assign = sequencer._assign

    def meddle(orgs: list[str]) -> Any:
        rows = assign(orgs)
        Head.objects.filter(org=org).update(sequence=9)
        return rows

    monkeypatch.setattr(sequencer, "_assign", meddle)
    assert list(sequencer.sequence([org])) == []
    assert "1 heads were locked and 0 moved" in caplog.text
    assert waiting(org) == 1
    assert Head.objects.get(org=org).sequence == 1


def test_numbers_that_would_not_be_dense_are_an_error_and_write_nothing(
    org: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    commit(org)
    outbox(org, 2)
    assign = sequencer._assign
    monkeypatch.setattr(sequencer, "_assign", lambda orgs: {org: assign(orgs)[org][1:]})
    assert list(sequencer.sequence([org])) == []
    assert "would not be dense" in caplog.text
    assert waiting(org) == 2


def test_sequencing_inside_a_transaction_is_refused(org: str) -> None:
    outbox(org)
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        list(sequencer.sequence([org]))
    assert waiting(org) == 1


def test_competing_sequencers_number_each_entry_once(org: str, many_connections: None) -> None:
    outbox(org, 1200)
    batches: list[Any] = []
    together([lambda: batches.extend(sequencer.sequence([org]))] * 4)
    assert sum(len(batch.entries) for batch in batches) == 1200
    assert sequences(org) == list(range(1, 1201))


def test_two_orgs_in_either_order_never_deadlock(org: str, many_connections: None) -> None:
    other = new_org()

    def writer(first: str, second: str) -> None:
        for n in range(1000):
            with transaction.atomic():
                emit(detected(n), org=first)
                emit(detected(n), org=second)

    together([lambda: writer(org, other), lambda: writer(other, org)], within=100)
    list(sequencer.sequence([org, other]))
    assert sequences(org) == sequences(other) == list(range(1, 2001))


@pytest.mark.sqlite
def test_a_database_that_stays_locked_is_as_good_as_busy(org: str, caplog: pytest.LogCaptureFixture) -> None:
    outbox(org)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout=50")
    try:
        with transaction.atomic():
            Head.objects.create(org=new_org(), epoch="e")

            def hurried() -> None:
                with connections["default"].cursor() as cursor:
                    cursor.execute("PRAGMA busy_timeout=50")
                assert list(sequencer.sequence([org])) == []

            elsewhere(hurried)
    finally:
        connection.close()
    assert "sequencing put off" in caplog.text
    assert len(list(sequencer.sequence([org]))) == 1


@pytest.mark.postgres
def test_a_lost_connection_is_as_good_as_busy_and_is_replaced(org: str, caplog: pytest.LogCaptureFixture) -> None:
    commit(org)
    outbox(org)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()

    def kill() -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])

    elsewhere(kill)
    with caplog.at_level(logging.WARNING):
        assert list(sequencer.sequence([org])) == []
    assert "sequencing put off" in caplog.text
    assert len(list(sequencer.sequence([org]))) == 1


@pytest.mark.postgres
def test_a_sequencer_that_is_frozen_with_the_lock_loses_it_and_the_log_stays_dense(
    org: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sequencer, "HELD_AT_MOST_MS", 300)
    commit(org)
    outbox(org, 3)
    other = new_org()
    holds, thaw = threading.Event(), threading.Event()
    advance = sequencer._advance

    def freeze(*args: Any) -> None:
        if threading.current_thread() is frozen:
            holds.set()
            assert thaw.wait(20)
        advance(*args)

    monkeypatch.setattr(sequencer, "_advance", freeze)
    batches: list[Any] = []

    def run() -> None:
        try:
            batches.extend(sequencer.sequence([org]))
        finally:
            connections.close_all()

    frozen = threading.Thread(target=run)
    frozen.start()
    assert holds.wait(10)
    assert list(sequencer.sequence([org])) == [], "it is busy"
    outbox(other)
    assert len(list(sequencer.sequence([other]))) == 1, "the others are not"
    wait_until(lambda: bool(list(sequencer.sequence([org]))), within=10, what="the lock is free again")
    thaw.set()
    frozen.join(10)
    assert batches == []
    assert "sequencing put off" in caplog.text
    assert sequences(org) == [1, 2, 3, 4]
