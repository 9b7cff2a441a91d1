from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from redline.monitoring.streams import org_feed
from redline.workspaces.models import User
from streaming import log, polling
from streaming.core.cursor import Cursor
from streaming.core.errors import Refused
from streaming.models import Head, LogEntry
from streaming.opening import Request
from streaming.polling import Answer, poll
from tests.streaming.sync.conftest import House
from tests.streaming.sync.sample import bearer, commit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def ask(house: House, role: str = "owner", **values: Any) -> Request:
    wanted = {
        "stream": org_feed,
        "user": house.users[role],
        "org": house.org.pk,
        "types": None,
        "path": {},
        "query": {},
        **values,
    }
    return Request(**wanted, credential=bearer(wanted["user"], wanted["org"]))


def answered(request: Request, *, oldest: bool = False, limit: int = 100) -> Answer:
    result = poll(request, oldest=oldest, limit=limit)
    assert isinstance(result, Answer)
    return result


def expired(request: Request, **options: Any) -> str:
    result = poll(request, **{"oldest": False, "limit": 100, **options})
    assert isinstance(result, Refused)
    assert (result.status, result.code) == (410, "cursor-expired")
    reason: str = result.details["reason"]
    return reason


def sequences(answer: Answer) -> list[int]:
    return [event["sequence"] for event in answer.events]


def cursor_at(house: House, sequence: int) -> Cursor:
    return log.read(house.org.pk, first=sequence, limit=1).entries[0].cursor


def hidden(house: House, count: int) -> None:
    commit(house.org.pk, range(count), audience=["somebody"])


def test_without_a_cursor_a_poller_gets_the_head_and_nothing_else(house: House) -> None:
    commit(house.org.pk, range(3))
    answer = answered(ask(house))
    assert (answer.events, answer.cursor, answer.has_more) == ((), log.head(house.org.pk).cursor, False)


def test_a_poller_may_begin_with_the_oldest_that_is_kept(house: House) -> None:
    commit(house.org.pk, range(5))
    assert sequences(answered(ask(house), oldest=True)) == [1, 2, 3, 4, 5]
    LogEntry.objects.filter(sequence__lt=3).delete()
    Head.objects.update(floor=3)
    assert sequences(answered(ask(house), oldest=True)) == [3, 4, 5]


def test_an_event_is_what_the_stream_would_send(house: House) -> None:
    commit(house.org.pk, ["é"])
    answer = answered(ask(house), oldest=True)
    (entry,) = log.read(house.org.pk, first=1, limit=1).entries
    body = json.loads(answer.body())
    assert body == {
        "events": [
            {
                "id": str(entry.cursor),
                "event": "change.detected",
                "data": json.loads(entry.data),
                "sequence": 1,
                "emittedAt": body["events"][0]["emittedAt"],
            }
        ],
        "cursor": str(entry.cursor),
        "hasMore": False,
    }
    assert body["events"][0]["emittedAt"].endswith("Z")
    assert entry.data in answer.body(), "the same bytes"


def test_pages_follow_one_another_without_gap_or_overlap(house: House) -> None:
    commit(house.org.pk, range(25))
    request, seen = ask(house, cursor=Cursor(log.head(house.org.pk).epoch, 0, "00000000")), []
    while True:
        answer = answered(request, limit=4)
        seen += sequences(answer)
        if not answer.has_more:
            break
        request = ask(house, cursor=answer.cursor)
    assert seen == list(range(1, 26))
    assert answered(ask(house, cursor=answer.cursor)).events == ()


def test_the_limit_counts_what_is_seen_and_the_cursor_stays_with_it(house: House) -> None:
    commit(house.org.pk, range(3))
    answer = answered(ask(house), oldest=True, limit=2)
    assert (sequences(answer), answer.cursor, answer.has_more) == ([1, 2], cursor_at(house, 2), True)


def test_the_cursor_moves_over_what_is_hidden(house: House) -> None:
    commit(house.org.pk, ["seen"])
    hidden(house, 7)
    answer = answered(ask(house, "viewer"), oldest=True, limit=5)
    assert (sequences(answer), answer.cursor, answer.has_more) == ([1], cursor_at(house, 8), False)
    assert len(answered(ask(house, "owner"), oldest=True).events) == 8


def test_types_hide_as_rights_do(house: House) -> None:
    commit(house.org.pk, range(3))
    answer = answered(ask(house, types=frozenset({"run.stage"})), oldest=True)
    assert (answer.events, answer.cursor) == ((), log.head(house.org.pk).cursor)


def test_one_poll_looks_at_no_more_than_it_may(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "SCAN_MAX", 10)
    hidden(house, 25)
    answer = answered(ask(house, "viewer"), oldest=True, limit=5)
    assert (answer.events, answer.cursor.sequence, answer.has_more) == ((), 10, True)


def test_what_comes_after_the_head_was_read_is_left_to_the_next_poll(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(house.org.pk, range(3))
    real = log.head

    def late(org: str) -> Any:
        head = real(org)
        commit(org)
        return head

    request = ask(house, cursor=cursor_at(house, 1))
    monkeypatch.setattr(polling.log, "head", late)
    answer = poll(request, oldest=False, limit=100)
    assert isinstance(answer, Answer)
    assert sequences(answer) == [2, 3]


def test_each_bad_cursor_is_refused_with_its_reason(house: House) -> None:
    commit(house.org.pk, range(10))
    log.trim(house.org.pk, before=timezone.now() + timedelta(days=1), keep=5)
    head = log.head(house.org.pk)
    gone = Cursor(head.epoch, 5, "00000001")
    bad = {
        "epoch": Cursor("beef", 9, head.fingerprint),
        "ahead": Cursor(head.epoch, 11, head.fingerprint),
        "truncated": gone,
        "unknown": Cursor(head.epoch, 9, "ffffffff"),
    }
    assert {reason: expired(ask(house, cursor=cursor)) for reason, cursor in bad.items()} == {one: one for one in bad}
    assert sequences(answered(ask(house, cursor=cursor_at(house, 6)))) == [7, 8, 9, 10]


def test_a_poller_that_began_at_the_oldest_can_go_on_however_far_behind_it_is(house: House, settings: Settings) -> None:
    settings.STREAMING = {**settings.STREAMING, "REPLAY_MAX": 4}
    commit(house.org.pk, range(10))
    first = poll(ask(house), oldest=True, limit=3)
    assert isinstance(first, Answer)
    assert first.has_more
    assert sequences(answered(ask(house, cursor=first.cursor))) == list(range(4, 11))


def test_a_log_that_is_trimmed_while_it_is_read_is_refused_and_no_gap_is_given(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(house.org.pk, range(10))
    request = ask(house, cursor=cursor_at(house, 2))
    real = log.fingerprints

    def trimmed(positions: Any) -> Any:
        found = real(positions)
        LogEntry.objects.filter(sequence__lt=6).delete()
        return found

    monkeypatch.setattr(log, "fingerprints", trimmed)
    assert expired(request) == "truncated"


def test_a_foreign_org_is_refused(house: House) -> None:
    result = poll(ask(house, user=User.objects.create(username="foreign")), oldest=True, limit=1)
    assert isinstance(result, Refused)
    assert result.status == 403


def test_an_empty_log_is_an_empty_answer(house: House) -> None:
    answer = answered(ask(house), oldest=True)
    assert (answer.events, answer.cursor, answer.has_more) == ((), log.head(house.org.pk).cursor, False)


def test_a_log_of_which_nothing_is_kept_is_an_empty_answer_at_its_head(house: House) -> None:
    commit(house.org.pk, range(3))
    LogEntry.objects.all().delete()
    Head.objects.update(floor=4)
    answer = answered(ask(house), oldest=True)
    assert (answer.events, answer.cursor, answer.has_more) == ((), log.head(house.org.pk).cursor, False)


def test_one_event_is_given_whole(house: House) -> None:
    commit(house.org.pk, ["thin"])
    LogEntry.objects.update(whole='{"large":true}')
    found = polling.one(ask(house), 1)
    assert isinstance(found, dict)
    assert (found["sequence"], json.loads(polling.orjson.dumps(found["data"]))) == (
        1,
        {"large": True},
    )


def test_hidden_unknown_and_trimmed_events_are_alike_and_foreign_ones_are_refused(house: House) -> None:
    hidden(house, 1)
    commit(house.org.pk, range(2))
    LogEntry.objects.filter(sequence=2).delete()
    answers = [polling.one(ask(house, "viewer"), sequence) for sequence in (1, 2, 9, 0)]
    assert {(one.status, one.code, one.message) for one in answers if isinstance(one, Refused)} == {
        (404, "not-found", "There is no such event.")
    }
    assert len(answers) == 4
    foreign = polling.one(ask(house, user=User.objects.create(username="foreign")), 3)
    assert isinstance(foreign, Refused)
    assert foreign.status == 403
    assert isinstance(polling.one(ask(house, "viewer"), 3), dict)
