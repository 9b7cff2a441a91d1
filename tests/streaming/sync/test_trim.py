from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from streaming import log
from streaming.core.cursor import Cursor, ResetReason
from streaming.models import Head, LogEntry
from streaming.outbox import emit
from tests.streaming.sync.sample import commit, detected
from tests.streaming.sync.together import elsewhere

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def aged(org: str, days: list[float]) -> datetime:
    """Emit one event per age in days; return the time a week ago."""
    now = timezone.now()
    for age in days:
        with transaction.atomic():
            emit(detected(age), org=org, emitted_at=now - timedelta(days=age))
    return now - timedelta(days=7)


def test_what_is_old_goes_and_what_is_young_stays(org: str) -> None:
    week = aged(org, [9, 8, 7.5, 6, 1])
    assert log.trim(org, before=week, keep=1) == 3
    assert [one.sequence for one in log.read(org, first=4, limit=9).entries] == [4, 5]
    assert log.head(org).floor == 4
    assert log.head(org).sequence == 5


def test_the_newest_stay_whatever_their_age(org: str) -> None:
    week = aged(org, [9, 9, 9, 9, 9])
    assert log.trim(org, before=week, keep=3) == 2
    assert log.head(org).floor == 3


def test_the_very_newest_stays_even_if_none_is_to_be_kept(org: str) -> None:
    week = aged(org, [9, 9])
    assert log.trim(org, before=week, keep=0) == 1
    assert [one.sequence for one in log.recent(org, limit=9).entries] == [2]


def test_a_young_entry_is_never_deleted_for_an_older_one_behind_it(org: str) -> None:
    week = aged(org, [9, 1, 9, 1])
    assert log.trim(org, before=week, keep=1) == 1
    assert [one.sequence for one in log.read(org, first=2, limit=9).entries] == [2, 3, 4]


def test_nothing_old_is_nothing_to_do(org: str) -> None:
    week = aged(org, [1, 1])
    assert log.trim(org, before=week, keep=1) == 0
    assert log.head(org).floor == 0
    assert log.trim(org, before=week - timedelta(days=99), keep=1) == 0


def test_an_org_without_a_log_is_nothing_to_do(org: str) -> None:
    assert log.trim(org, before=timezone.now(), keep=1) == 0


def test_trimming_twice_deletes_once(org: str) -> None:
    week = aged(org, [9, 9, 1])
    assert [log.trim(org, before=week, keep=1) for _ in range(2)] == [2, 0]


def test_a_log_of_many_batches_is_trimmed_whole(org: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "TRIM_BATCH", 7)
    commit(org, range(50))
    assert log.trim(org, before=timezone.now() + timedelta(days=1), keep=5) == 45
    assert LogEntry.objects.filter(org=org).count() == 5


def test_the_floor_is_raised_and_committed_before_any_row_goes(org: str, monkeypatch: pytest.MonkeyPatch) -> None:
    week = aged(org, [9, 9, 9, 1])
    seen: list[tuple[int, int]] = []
    delete = log.models.QuerySet.delete

    def watched(rows: object) -> object:
        elsewhere(lambda: seen.append((Head.objects.get(org=org).floor, LogEntry.objects.filter(org=org).count())))
        return delete(rows)

    monkeypatch.setattr(log.models.QuerySet, "delete", watched)
    log.trim(org, before=week, keep=1)
    assert seen == [(4, 4)]


def test_a_trim_that_died_after_the_floor_is_finished_by_the_next(org: str, monkeypatch: pytest.MonkeyPatch) -> None:
    week = aged(org, [9, 9, 9, 1])
    with monkeypatch.context() as patched:
        patched.setattr(log.models.QuerySet, "delete", lambda rows: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            log.trim(org, before=week, keep=1)
    assert log.head(org).floor == 4
    aged(org, [9, 1])
    log.trim(org, before=timezone.now() - timedelta(hours=1), keep=1)
    assert LogEntry.objects.filter(org=org).count() == 1


def test_a_cursor_below_the_floor_is_truncated_and_one_at_it_resumes(org: str) -> None:
    week = aged(org, [9, 9, 1, 1])
    cursors = [one.cursor for one in log.read(org, first=1, limit=9).entries]
    log.trim(org, before=week, keep=1)
    head = log.head(org)

    def judged(cursor: Cursor) -> ResetReason | None:
        found = log.fingerprints([(org, cursor.sequence)]).get((org, cursor.sequence))
        return head.judge(cursor, found=found, reach=100)

    assert [judged(cursor) for cursor in cursors] == [ResetReason.TRUNCATED, ResetReason.TRUNCATED, None, None]


def test_trimming_inside_a_transaction_is_refused(org: str) -> None:
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        log.trim(org, before=timezone.now(), keep=1)


def test_what_waits_is_never_trimmed(org: str) -> None:
    commit(org)
    LogEntry.objects.create(org=org, type="t", data="{}", emitted_at=timezone.now() - timedelta(days=99))
    log.trim(org, before=timezone.now() + timedelta(days=1), keep=1)
    assert LogEntry.objects.filter(org=org, sequence=None).count() == 1
