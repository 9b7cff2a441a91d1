from __future__ import annotations

import pytest
from django.db import connection
from pytest_django.fixtures import DjangoAssertNumQueries

from streaming import log
from streaming.core.cursor import Cursor
from streaming.models import Head, LogEntry
from tests.streaming.sync.sample import commit, headlines, new_org

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.mark.parametrize("count", [0, 1, 600])
def test_heads_are_asked_for_by_one_statement_however_many(
    count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    orgs = [new_org() for _ in range(count)]
    log.ensure_heads([*orgs, new_org()])
    with django_assert_num_queries(1 if count else 0):
        heads = log.heads(orgs)
    assert heads.keys() == set(orgs)
    assert {(head.sequence, head.fingerprint, head.floor) for head in heads.values()} == (
        {(0, "00000000", 0)} if count else set()
    )


def test_only_orgs_that_have_a_head_are_answered(org: str) -> None:
    log.ensure_heads([org])
    assert log.heads([org, new_org()]).keys() == {org}


def test_every_head_has_an_epoch_of_its_own_and_keeps_it(org: str) -> None:
    orgs = [org, *(new_org() for _ in range(99))]
    log.ensure_heads(orgs)
    epochs = {org: head.epoch for org, head in log.heads(orgs).items()}
    assert len(set(epochs.values())) == 100
    log.ensure_heads(orgs)
    assert {org: head.epoch for org, head in log.heads(orgs).items()} == epochs


def test_an_org_without_a_head_gets_one_when_it_is_asked_for(org: str) -> None:
    first = log.head(org)
    assert (first.sequence, str(first.cursor)) == (0, f"{first.epoch}.0.00000000")
    assert log.head(org) == first


def test_a_page_is_consecutive_and_no_longer_than_asked(org: str) -> None:
    commit(org, range(10))
    page = log.read(org, first=4, limit=3)
    assert [entry.sequence for entry in page.entries] == [4, 5, 6]
    assert page.head == log.head(org)
    assert log.read(org, first=11, limit=3).entries == ()


def test_a_page_ends_before_a_hole(org: str) -> None:
    commit(org, range(10))
    LogEntry.objects.filter(org=org, sequence=5).delete()
    assert [entry.sequence for entry in log.read(org, first=3, limit=9).entries] == [3, 4]


def test_another_orgs_entries_are_never_read(org: str) -> None:
    commit(org, ["mine"])
    commit(new_org(), ["foreign"])
    assert headlines(org) == ["mine"]


def test_what_waits_is_not_in_the_log(org: str) -> None:
    LogEntry.objects.create(org=org, type="t", data="{}")
    assert log.read(org, first=0, limit=9).entries == ()


def test_the_recent_entries_end_at_the_head(org: str) -> None:
    commit(org, range(10))
    page = log.recent(org, limit=4)
    assert [entry.sequence for entry in page.entries] == [7, 8, 9, 10]
    assert page.entries[-1].cursor == page.head.cursor
    assert len(log.recent(org, limit=100).entries) == 10


def test_the_recent_entries_begin_no_earlier_than_the_floor(org: str) -> None:
    commit(org, range(10))
    Head.objects.filter(org=org).update(floor=8)
    assert [entry.sequence for entry in log.recent(org, limit=9).entries] == [8, 9, 10]


def test_an_empty_log_has_nothing_recent(org: str) -> None:
    assert log.recent(org, limit=9).entries == ()


def test_recent_entries_that_do_not_reach_the_head_are_none(org: str) -> None:
    commit(org, range(5))
    LogEntry.objects.filter(org=org, sequence=3).delete()
    assert log.recent(org, limit=5).entries == (), "a window with a hole would be worse than an empty one"


def test_recent_entries_never_pass_the_head_that_comes_with_them(org: str, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(org, range(3))
    real = log.read

    def late(org: str, *, first: int, limit: int) -> log.Page:
        page = real(org, first=first, limit=limit)
        commit(org)
        return log.Page(head=page.head, entries=real(org, first=first, limit=limit + 1).entries)

    monkeypatch.setattr(log, "read", late)
    page = log.recent(org, limit=9)
    assert page.entries[-1].cursor == page.head.cursor
    assert page.head.sequence == 3


def test_fingerprints_are_those_of_the_rows(org: str) -> None:
    rows = commit(org, range(3))
    other = new_org()
    (foreign,) = commit(other)
    found = log.fingerprints([(org, 1), (org, 3), (org, 9), (other, 1), (new_org(), 1)])
    assert found == {
        (org, 1): rows[0].uid.hex[:8],
        (org, 3): rows[2].uid.hex[:8],
        (other, 1): foreign.uid.hex[:8],
    }
    assert log.fingerprints([]) == {}


def test_an_entry_is_found_by_its_cursor_only_if_it_is_that_very_one(org: str) -> None:
    commit(org, range(3))
    (entry,) = log.read(org, first=2, limit=1).entries
    found = log.find(org, entry.cursor)
    assert found is not None
    assert found.cursor == entry.cursor
    head = log.head(org)
    for other in (
        Cursor(head.epoch, 2, "ffffffff"),
        Cursor("ffffffff", 2, entry.fingerprint),
        Cursor(head.epoch, 9, entry.fingerprint),
    ):
        assert log.find(org, other) is None


def test_an_event_is_given_whole_or_not_at_all(org: str) -> None:
    commit(org, ["a"])
    found = log.whole(org, 1)
    assert found is not None
    assert found[1] == found[0].data
    LogEntry.objects.filter(org=org).update(whole='{"large":true}')
    found = log.whole(org, 1)
    assert found is not None
    assert found[1] == b'{"large":true}'
    assert log.whole(org, 2) is None


def test_the_log_lies_in_the_database_of_this_run() -> None:
    from tests import services

    assert connection.vendor == ("postgresql" if services.on_postgres() else "sqlite")
