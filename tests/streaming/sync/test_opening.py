from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from redline.monitoring.models import ChangeReport, Entitlement
from redline.monitoring.streams import ChangeDetected, EntitlementsChanged, org_feed
from redline.workspaces.models import Membership, User
from streaming import access, log
from streaming.core.cursor import Cursor, Head, ResetReason
from streaming.core.errors import Refused
from streaming.core.filter import Filter, Scope
from streaming.core.rights import EVERYTHING, Rights
from streaming.opening import Opening, Question, Request, Standing, State, states, visit
from tests.sse_parser import SSEParser
from tests.streaming.sync.conftest import House
from tests.streaming.sync.sample import bearer, commit, new_org

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

NOW = datetime(2026, 3, 1, tzinfo=UTC)


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


@dataclass(frozen=True, kw_only=True)
class Told:
    type: str | None
    data: str


@dataclass(frozen=True, kw_only=True)
class Start:
    head: Head
    reset: ResetReason | None
    standing: Standing
    state: list[Told]


def opened(request: Request) -> Start:
    """Open as a serving process does: the state is read after the visit, where one is due."""
    (result,) = visit([request])
    assert isinstance(result, Opening)
    told = state(request, result) if result.reset else []
    return Start(head=result.head, reset=result.reset, standing=result.standing, state=told)


def state(request: Request, opening: Opening) -> list[Told]:
    (found,) = states([Question(request=request, filter=opening.standing.filter)])
    assert isinstance(found, State)
    blocks = SSEParser().feed(b"".join(found.writes), at=0.0)
    return [Told(type=one.event, data=one.data or "") for one in blocks]


def opened_filter(request: Request) -> Filter:
    (result,) = visit([request])
    assert isinstance(result, Opening)
    return result.standing.filter


def refused(request: Request) -> Refused:
    (result,) = visit([request])
    assert isinstance(result, Refused)
    return result


def test_without_a_cursor_a_connection_starts_at_the_head_and_gets_no_state(house: House) -> None:
    commit(house.org.pk, range(3))
    start = opened(ask(house))
    assert (start.head, start.reset, start.state) == (log.head(house.org.pk), None, [])
    assert start.standing.filter.types == org_feed.types


def test_a_good_cursor_resumes(house: House) -> None:
    commit(house.org.pk, range(3))
    cursor = log.read(house.org.pk, first=2, limit=1).entries[0].cursor
    start = opened(ask(house, cursor=cursor))
    assert (start.reset, start.state) == (None, [])


def test_each_bad_cursor_is_told_why_and_gets_the_state(house: House, settings: Settings) -> None:
    settings.STREAMING = {**settings.STREAMING, "REPLAY_MAX": 2}
    Entitlement.objects.create(org=house.org)
    commit(house.org.pk, range(3))
    head = log.head(house.org.pk)
    bad = {
        ResetReason.EPOCH: Cursor("beef", 1, head.fingerprint),
        ResetReason.AHEAD: Cursor(head.epoch, 5, head.fingerprint),
        ResetReason.TRUNCATED: Cursor(head.epoch, 1, head.fingerprint),
        ResetReason.UNKNOWN: Cursor(head.epoch, 3, "ffffffff"),
    }
    for reason, cursor in bad.items():
        start = opened(ask(house, cursor=cursor))
        assert start.reset is reason
        assert [one.type for one in start.state] == ["org.entitlements.changed"]


def test_a_session_whose_log_was_replaced_gets_the_state_whatever_its_cursor(house: House) -> None:
    Entitlement.objects.create(org=house.org)
    start = opened(ask(house, reset=ResetReason.UNKNOWN, cursor=log.head(house.org.pk).cursor))
    assert start.reset is ResetReason.UNKNOWN
    assert len(start.state) == 1


def test_those_who_may_see_the_same_share_one_reading_of_the_state(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def snapshot(org: str, rights: Rights) -> Any:
        read.append(org)
        return [EntitlementsChanged(compliance_pack=True, auditor_portal=False, changed_at=NOW)]

    monkeypatch.setattr(org_feed, "snapshot", snapshot)
    asked = [
        Question(request=(request := ask(house, role, **kind)), filter=opened_filter(request))
        for role in ("owner", "admin", "member", "member")
        for kind in ({}, {"types": frozenset({"change.detected"})})
    ]
    found = states(asked)
    assert len(read) == len({one.filter for one in asked}) < len(asked)
    assert all(isinstance(one, State) for one in found)


def test_a_right_that_is_taken_while_the_state_is_read_is_gone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state may hold what came after the revocation, and no entry may have told of that yet."""
    request = ask(house, "member")
    chosen = opened_filter(request)

    def snapshot(org: str, rights: Rights) -> Any:
        Membership.objects.filter(user=house.users["member"]).delete()
        return []

    monkeypatch.setattr(org_feed, "snapshot", snapshot)
    (found,) = states([Question(request=request, filter=chosen)])
    assert isinstance(found, Refused)


def test_a_foreign_org_is_refused_like_one_that_does_not_exist(house: House) -> None:
    foreign = User.objects.create(username="foreign")
    answers = [refused(ask(house, user=foreign)), refused(ask(house, org=new_org()))]
    assert {(one.status, one.code, one.message) for one in answers} == {
        (403, "forbidden", "This is not yours to see, or does not exist.")
    }


def test_many_are_opened_together_each_with_its_own_result(
    house: House, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    commit(house.org.pk, range(3))
    cursors = [entry.cursor for entry in log.read(house.org.pk, first=1, limit=3).entries]
    asked = [ask(house, role, cursor=cursor) for role in house.users for cursor in cursors]
    asked.append(ask(house, user=User.objects.create(username="foreign")))
    with django_assert_num_queries(5):  # heads, fingerprints, tokens with users, roles, projects
        results = visit(asked)
    assert [isinstance(one, Opening) for one in results] == [True] * 12 + [False]
    assert visit([]) == []


def test_an_org_without_a_log_is_given_one(house: House) -> None:
    start = opened(ask(house))
    assert start.head.sequence == 0
    assert start.head == log.head(house.org.pk)


def test_a_right_that_is_taken_after_the_head_was_read_is_gone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of the visit: rights that are older than the head are not rights."""
    log.ensure_heads([house.org.pk])
    read = log.heads

    def revoke(orgs: Any) -> Any:
        heads = read(orgs)
        Membership.objects.filter(user=house.users["member"]).delete()
        commit(house.org.pk, ["after"])
        return heads

    monkeypatch.setattr(log, "heads", revoke)
    assert refused(ask(house, "member")).status == 403


def test_what_happens_while_the_state_is_read_has_a_later_sequence(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of the visit: the state is read after its head, so what it misses comes as an entry."""
    Entitlement.objects.create(org=house.org)
    granted = access.current().rights_of_many

    def late(members: Any) -> Any:
        rights = granted(members)
        if not ChangeReport.objects.exists():
            ChangeReport.objects.create(org=house.org, vendor=house.vendor, severity="P1", headline="late")
        return rights

    monkeypatch.setattr(access.current(), "rights_of_many", late)
    start = opened(ask(house, reset=ResetReason.EPOCH))
    assert start.head.sequence == 1
    assert "change.detected" in {one.type for one in start.state}
    assert [entry.type for entry in log.read(house.org.pk, first=2, limit=9).entries] == ["change.detected"]


def test_the_state_is_filtered_by_types(house: House) -> None:
    Entitlement.objects.create(org=house.org)
    ChangeReport.objects.create(org=house.org, vendor=house.vendor, severity="P1", headline="h")
    start = opened(ask(house, reset=ResetReason.EPOCH, types=frozenset({"change.detected"})))
    assert [one.type for one in start.state] == ["change.detected"]


def test_the_state_is_filtered_by_rights(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot(org: str, rights: Rights) -> Any:
        for name in ("mine", "foreign"):
            event = ChangeDetected(change_report_id=name, vendor_id="v", severity="P1", headline="h")
            yield event.about(name, audience=[house.users["viewer"].pk if name == "mine" else "somebody"])

    monkeypatch.setattr(org_feed, "snapshot", snapshot)
    for role, seen in (("viewer", ["mine"]), ("owner", ["mine", "foreign"])):
        told = opened(ask(house, role, reset=ResetReason.EPOCH)).state
        assert [json.loads(one.data)["changeReportId"] for one in told] == seen


def test_a_stream_without_a_state_has_none(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(org_feed, "snapshot", None)
    assert opened(ask(house, reset=ResetReason.EPOCH)).state == []


def test_a_state_event_that_is_too_large_goes_out_thin(house: House, settings: Settings) -> None:
    settings.STREAMING = {**settings.STREAMING, "EVENT_MAX_BYTES": 300}
    ChangeReport.objects.create(org=house.org, vendor=house.vendor, severity="P1", headline="h" * 200)
    (one,) = opened(ask(house, reset=ResetReason.EPOCH, types=frozenset({"change.detected"}))).state
    assert json.loads(one.data)["oversize"] is True


def test_a_scope_narrows_or_refuses(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def scope(org: str, path: Any, query: Any, rights: Rights) -> Scope:
        assert rights == EVERYTHING
        if path["id"] == "foreign":
            raise Refused(404, "not-found", "No.")
        return Scope(within=frozenset({path["id"], query["q"]}))

    monkeypatch.setattr(org_feed, "scope", scope)
    start = opened(ask(house, path={"id": "a"}, query={"q": "b"}))
    assert start.standing.filter.scope == Scope(within=frozenset({"a", "b"}))
    assert refused(ask(house, path={"id": "foreign"})).status == 404


def test_the_state_is_made_of_the_streams_own_events(house: House) -> None:
    row = Entitlement.objects.create(org=house.org, compliance_pack=True)
    (one,) = opened(ask(house, reset=ResetReason.EPOCH)).state
    assert EntitlementsChanged.read(one.data).compliance_pack is row.compliance_pack
