from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from asgiref.sync import sync_to_async
from django.db import OperationalError, transaction
from django.utils import timezone

from streaming import authentication, jwt, log, opening, revocation
from streaming.asgi import org, rechecks
from streaming.asgi.session import Session
from streaming.core.rights import EVERYTHING, Rights
from tests.streaming.asgi.world import Members, Noted, Whispered, World, eventually, numbers

pytestmark = pytest.mark.any_database

NOTHING_MORE = Rights(names=frozenset({"nobody"}))


def whispered(number: int, *names: str) -> Any:
    return Whispered(number=number).about("", audience=names)


def session(world: World) -> Session:
    (only,) = world.process.sessions
    return only


async def test_a_member_who_is_put_out_gets_nothing_that_comes_after_it(world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    await world.note(visitor.org, 1)
    await wire.next(event="test.noted")
    world.withdraw(visitor.user, visitor.org)
    await world.recheck(visitor.org, visitor.user)
    await world.emit(visitor.org, Noted(number=2))
    closing = await wire.next(event="stream.closing")
    assert {"reason": "auth_revoked", "reconnect": False}.items() <= closing.json.items()
    await wire.finished()
    assert list(numbers(wire.told)) == [1]


async def test_what_follows_in_the_same_transaction_is_held_back_too(world: World) -> None:
    """The entry and what comes after it reach the ring in one batch."""
    visitor = await world.visitor(rights=Rights(names=frozenset({"a", "b"})))
    wire = await world.open(visitor)

    def demote_and_whisper() -> None:
        with transaction.atomic():
            world.grant(visitor.user, visitor.org, Rights(names=frozenset({"a"})))
            revocation.recheck(visitor.org, [str(visitor.user.pk)])
            world._emit(visitor.org, [whispered(1, "b"), whispered(2, "a")])

    await sync_to_async(demote_and_whisper)()
    assert (await wire.next(event="test.whispered")).json == {"number": 2}
    assert list(numbers(wire.told)) == [2]


async def test_a_stream_widens_at_the_entry_and_misses_nothing_behind_it(world: World) -> None:
    visitor = await world.visitor(rights=NOTHING_MORE)
    wire = await world.open(visitor)
    world.grant(visitor.user, visitor.org, EVERYTHING)
    await world.recheck(visitor.org, visitor.user)
    await world.emit(visitor.org, whispered(1, "b"))
    assert (await wire.next(event="test.whispered")).json == {"number": 1}


async def test_nobody_is_named_and_everybody_is_looked_at(world: World) -> None:
    first = await world.visitor()
    second = await world.visitor(first.org)
    wires = [await world.open(first), await world.open(second)]
    world.withdraw(first.user, first.org)
    world.withdraw(second.user, first.org)
    await world.recheck(first.org)
    for wire in wires:
        assert (await wire.next(event="stream.closing")).json["reason"] == "auth_revoked"


async def test_others_go_on_while_somebody_is_held(world: World) -> None:
    held = await world.visitor()
    free = await world.visitor(held.org)
    wire, other = await world.open(held), await world.open(free)
    asked, answer = threading.Event(), threading.Event()

    def stall() -> None:
        asked.set()
        answer.wait(5)

    Members.before_rights = stall
    await world.recheck(held.org, held.user)
    await eventually(asked.is_set)
    await world.emit(held.org, Noted(number=1))
    await other.next(event="test.noted")
    assert list(numbers(wire.told)) == []
    Members.before_rights = None
    answer.set()
    await wire.next(event="test.noted")


async def test_rights_that_move_while_they_are_looked_up_are_looked_up_again(world: World) -> None:
    visitor = await world.visitor(rights=Rights(names=frozenset({"a", "b"})))
    wire = await world.open(visitor)
    looks = 0
    first_read, second_told = threading.Event(), threading.Event()

    def after_the_first_look() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            first_read.set()
            second_told.wait(5)

    # What the first look finds is already old when it answers: rights are copied before the hook returns.
    found = Rights(names=frozenset({"a", "b"}))
    Members.before_rights = after_the_first_look
    await world.recheck(visitor.org, visitor.user)
    await eventually(first_read.is_set)
    version = session(world).version
    world.grant(visitor.user, visitor.org, Rights(names=frozenset({"a"})))
    await world.recheck(visitor.org, visitor.user)
    await eventually(lambda: session(world).version > version)
    second_told.set()
    await world.emit(visitor.org, whispered(1, "b"), whispered(2, "a"))
    assert (await wire.next(event="test.whispered")).json == {"number": 2}
    assert looks >= 2
    assert found != session(world)._filter.rights


async def test_an_answer_under_an_older_version_is_void(world: World) -> None:
    visitor = await world.visitor()
    await world.open(visitor)
    one = session(world)
    kept = one._filter
    one.stands(None, version=one.version - 1)
    assert one.reason is None
    assert one._filter is kept


async def test_rights_that_moved_while_a_stream_opened_are_looked_up_before_it_begins(world: World) -> None:
    """The ring is past the entry when the stream begins, so nobody will tell it."""
    visitor = await world.visitor()
    await world.open(await world.visitor(visitor.org))  # keeps the ring
    wire = world.wire(visitor=visitor)
    wire.hold()
    wire.begin()
    await eventually(lambda: len(world.process.sessions) == 2)  # its rights have been read
    world.withdraw(visitor.user, visitor.org)
    await world.recheck(visitor.org, visitor.user)
    await world.emit(visitor.org, Noted(number=1))
    await eventually(lambda: world.hub(visitor.org).ring.head.sequence == 2)
    wire.release()
    assert (await wire.next(event="stream.closing")).json["reason"] == "auth_revoked"
    assert list(numbers(wire.told)) == []


async def test_rights_that_are_gone_when_the_log_is_replaced_while_a_stream_opens(world: World) -> None:
    visitor = await world.visitor()
    await world.open(await world.visitor(visitor.org))
    await world.note(visitor.org, 2)
    wire = world.wire(visitor=visitor)
    wire.hold()
    wire.begin()
    await eventually(lambda: len(world.process.sessions) == 2)
    world.withdraw(visitor.user, visitor.org)
    await world.rewind(visitor.org, 1)
    await eventually(lambda: world.hub(visitor.org).incarnation == 1)
    wire.release()
    closing = await wire.next(event="stream.closing")
    assert {"reason": "auth_revoked", "reconnect": False}.items() <= closing.json.items()
    await wire.finished()
    assert wire.ended
    assert len(world.process.sessions) == 1


async def test_rights_that_moved_before_there_was_a_ring_are_looked_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    recent = log.recent

    def late(org: str, *, limit: int) -> log.Page:
        go_on.wait(5)
        return recent(org, limit=limit)

    monkeypatch.setattr(log, "recent", late)
    visitor = await world.visitor()
    wire = await world.open(visitor)
    world.withdraw(visitor.user, visitor.org)
    await world.recheck(visitor.org, visitor.user)
    await world.emit(visitor.org, Noted(number=1))
    await world.reached(visitor.org, 2)
    go_on.set()
    assert (await wire.next(event="stream.closing")).json["reason"] == "auth_revoked"
    assert list(numbers(wire.told)) == []


async def test_a_ring_that_begins_anew_has_rights_looked_up_that_it_may_have_missed(world: World) -> None:
    world.configure(RING_ENTRIES=5, PAGE_ENTRIES=5)
    visitor = await world.visitor()
    wire = await world.open(visitor)
    hub = world.hub(visitor.org)
    hub.offer = lambda batch: None  # type: ignore[method-assign]
    asking, world.process.watcher.ask = world.process.watcher.ask, _nothing  # type: ignore[method-assign]
    world.withdraw(visitor.user, visitor.org)
    await world.recheck(visitor.org, visitor.user)
    await world.note(visitor.org, 30)  # far more than a ring holds: the entry is in none of what will be read
    world.process.watcher.ask = asking  # type: ignore[method-assign]
    hub.fill()
    assert (await wire.next(event="stream.closing")).json["reason"] == "auth_revoked"


async def test_an_entry_that_nobody_sees_is_filtered_once_for_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await world.visitor(rights=Rights(names=frozenset({"a"})))
    second = await world.visitor(first.org, rights=Rights(names=frozenset({"b"})))
    wires = [await world.open(one) for one in (first, second)]
    calls: list[int] = []
    encode = org.encode

    def counted(chosen: Any, entries: Any, condensation: Any) -> Any:
        calls.append(len(entries))
        return encode(chosen, entries, condensation)

    monkeypatch.setattr(org, "encode", counted)

    def in_one_transaction() -> None:
        with transaction.atomic():
            revocation.recheck(first.org, ["somebody-else"])
            world._emit(first.org, [Noted(number=1).about("")])

    await sync_to_async(in_one_transaction)()
    for wire in wires:
        await wire.next(event="test.noted")
    assert calls == [2]


async def _nothing() -> bool:
    return True


async def test_a_snapshot_that_is_half_told_under_other_rights_is_not_finished(world: World) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 1)
    wire = world.wire(visitor=visitor, headers={"Last-Event-ID": "zzzz.1.00000000"})
    wire.begin()
    wire.hold()
    await eventually(lambda: bool(world.process.sessions))
    one = session(world)
    wire.release()
    wire.hold()  # the response's head gets through, the first block waits
    await eventually(lambda: one._telling_state)
    world.grant(visitor.user, visitor.org, NOTHING_MORE)
    await world.recheck(visitor.org, visitor.user)
    await eventually(lambda: one.reason is not None)
    wire.release()
    assert (await wire.next(event="stream.closing")).json["reconnect"] is True
    assert [block.event for block in wire.told] == ["stream.open", "stream.closing"]


async def test_every_round_finds_what_no_entry_told(world: World) -> None:
    world.configure(RECHECK_EVERY=0.05)
    visitor = await world.visitor(rights=Rights(names=frozenset({"a", "b"})))
    wire = await world.open(visitor)
    world.grant(visitor.user, visitor.org, Rights(names=frozenset({"a"})))
    await eventually(lambda: session(world)._filter.rights.names == {"a"})
    await world.emit(visitor.org, whispered(1, "b"), whispered(2, "a"))
    await wire.next(event="test.whispered")
    assert list(numbers(wire.told)) == [2]
    await sync_to_async(type(visitor.row).objects.filter(pk=visitor.row.pk).update)(revoked_at=timezone.now())
    assert (await wire.next(event="stream.closing")).json["reason"] == "auth_revoked"


async def test_a_revoked_token_ends_its_streams_and_no_others(world: World) -> None:
    visitor = await world.visitor()
    row, second = await sync_to_async(type(visitor.row).issue)(user=visitor.user, org=visitor.org)
    wire = await world.open(visitor)
    other = world.wire(headers={"Authorization": f"Bearer {second}"})
    await other.start()
    await other.next(event="stream.caught_up")
    await sync_to_async(visitor.row.revoke)()
    assert (await wire.next(event="stream.closing")).json["reason"] == "auth_revoked"
    await world.note(visitor.org, 1)
    await other.next(event="test.noted")
    await sync_to_async(row.delete)()
    assert (await other.next(event="stream.closing")).json["reason"] == "auth_revoked"


async def test_a_longer_life_of_the_credential_is_a_longer_life_of_the_stream(world: World) -> None:
    visitor = await world.visitor(expires_at=timezone.now() + timedelta(seconds=1))
    wire = await world.open(visitor)
    visitor.row.expires_at = timezone.now() + timedelta(hours=1)
    await sync_to_async(visitor.row.save)()
    await eventually(lambda: session(world)._dies_at > world.process.now() + 3000)
    visitor.row.expires_at = timezone.now() - timedelta(seconds=1)
    await sync_to_async(visitor.row.save)()
    assert (await wire.next(event="stream.closing")).json["reason"] in ("auth_expired", "auth_revoked")


async def test_a_credential_that_is_over_by_the_clock_has_expired(world: World) -> None:
    """The clock may be set while a stream is open; who is told `auth_revoked` does not come back."""
    visitor = await world.visitor(expires_at=timezone.now() + timedelta(minutes=5))
    wire = await world.open(visitor)
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        await world.recheck(visitor.org, visitor.user)
        closing = await wire.next(event="stream.closing")
    assert {"reason": "auth_expired", "reconnect": True}.items() <= closing.json.items()


async def test_a_token_that_is_revoked_while_its_stream_opens_opens_none(world: World) -> None:
    """After it was recognised and before the head was read: its entry is behind the stream, which would not see it."""
    visitor = await world.visitor()
    join = world.process.pump.join

    async def meanwhile(org: str) -> None:
        await sync_to_async(visitor.row.revoke)()
        await world.reached(org, 1)
        await join(org)

    world.process.pump.join = meanwhile  # type: ignore[method-assign]
    wire = await world.wire(visitor=visitor).answered()
    assert (wire.status, wire.error["code"]) == (401, "unauthenticated")
    assert not world.process.sessions


async def test_a_token_that_is_revoked_ends_the_long_poll_that_waits(world: World) -> None:
    visitor = await world.visitor()
    (cursor,) = await world.note(visitor.org, 1)
    poll = world.wire("/test/stream/poll", visitor=visitor, query={"after": str(cursor), "wait": "25"})
    poll.begin()
    await eventually(lambda: visitor.org in world.process.hub.orgs and world.hub(visitor.org).readers)
    await sync_to_async(visitor.row.revoke)()
    await world.note(visitor.org, 1)
    await poll._until(lambda: poll.ended, 5, "an answer")
    assert poll.status == 401


async def test_rights_are_those_of_the_user_as_he_is_now(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_name(self: Members, user: Any, org: str) -> Rights:
        return EVERYTHING if user.first_name == "Ada" else NOTHING_MORE

    monkeypatch.setattr(Members, "rights", by_name)
    visitor = await world.visitor()
    wire = await world.open(visitor)
    await world.emit(visitor.org, whispered(1, "b"))
    await eventually(lambda: session(world)._position.sequence == 1)
    await sync_to_async(type(visitor.user).objects.filter(pk=visitor.user.pk).update)(first_name="Ada")
    await world.recheck(visitor.org, visitor.user)
    await world.emit(visitor.org, whispered(2, "b"))
    assert (await wire.next(event="test.whispered")).json == {"number": 2}


async def test_who_does_not_take_what_stands_before_his_goodbye_is_soon_cut_off(world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    wire.hold()
    await world.note(visitor.org, 1)
    await eventually(lambda: session(world)._writer.busy)
    begun = world.process.now()
    await sync_to_async(visitor.row.revoke)()
    await eventually(lambda: wire.aborted)
    assert world.process.now() - begun < 5
    assert not world.process.sessions


async def test_a_stream_that_fails_when_it_is_told_ends_and_the_others_are_told_all_the_same(world: World) -> None:
    visitor = await world.visitor()
    other = await world.visitor(visitor.org)
    wire = await world.open(visitor)
    failing = session(world)
    beside = await world.open(other)
    judged = Session.stands

    def told(self: Session, standing: Any, *, version: int) -> None:
        if self is failing:
            raise RuntimeError("a bug of ours")
        judged(self, standing, version=version)

    Session.stands = told  # type: ignore[method-assign]
    try:
        await world.recheck(visitor.org)
        assert (await wire.next(event="stream.closing")).json["reason"] == "error"
        world.withdraw(other.user, visitor.org)
        await world.recheck(visitor.org)
        assert (await beside.next(event="stream.closing")).json["reason"] == "auth_revoked"
    finally:
        Session.stands = judged  # type: ignore[method-assign]


async def test_a_round_looks_at_everybody_a_few_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.configure(RECHECK_EVERY=0.2)
    visitor = await world.visitor()
    wires = [await world.open(visitor) for _ in range(8)] + [await world.open(await world.visitor()) for _ in range(25)]
    looks: list[list[Any]] = []
    look = opening.standings

    def counted(requests: Any) -> Any:
        looks.append([id(request) for request in requests])
        return look(requests)

    monkeypatch.setattr(opening, "standings", counted)
    await eventually(lambda: len(looks) >= 20)
    turns = [one for few in looks for one in few]
    assert {len(few) for few in looks} == {4}
    assert len(set(turns[:33])) == 33, "whoever was looked at longest ago comes first"
    assert turns[33:66] == turns[:33]
    for wire in wires:
        await wire.leave()
    assert not world.process.rechecks._rota


async def test_whoever_leaves_while_the_database_is_away_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rechecks, "AGAIN", 0.02)
    gone, here = await world.visitor(), await world.visitor()
    wire = await world.open(gone)
    await world.open(here)
    looks: list[list[Any]] = []
    go_on = threading.Event()

    def away(requests: Any) -> Any:
        looks.append([request.user.pk for request in requests])
        go_on.wait(5)
        raise OperationalError("the database is away")

    monkeypatch.setattr(opening, "standings", away)
    await world.recheck(gone.org, gone.user)
    await eventually(lambda: looks == [[gone.user.pk]])
    await wire.leave()
    go_on.set()
    await world.recheck(here.org, here.user)
    await eventually(lambda: len(looks) > 4)
    assert looks[1:] == [[here.user.pk]] * len(looks[1:])


async def test_while_the_database_is_away_who_is_held_stays_held(world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    failures = 2

    def away() -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise OperationalError("the database is away")

    Members.before_rights = away
    await world.recheck(visitor.org, visitor.user)
    await world.emit(visitor.org, Noted(number=1))
    await eventually(lambda: failures == 1)
    assert session(world)._held
    await wire.next(event="test.noted")
    assert failures == 0


async def test_an_access_class_that_fails_for_one_ends_this_one_only(world: World) -> None:
    visitor = await world.visitor()
    other = await world.visitor(visitor.org)
    wire, beside = await world.open(visitor), await world.open(other)

    class Broken(dict[Any, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            if key[0] == str(visitor.user.pk):
                raise RuntimeError("a bug in the project's access class")
            return super().get(key, default)

    Members.rights_in = Broken(Members.rights_in)
    try:
        await world.recheck(visitor.org)
        assert (await wire.next(event="stream.closing")).json["reason"] == "error"
    finally:
        Members.rights_in = dict(Members.rights_in)
    await world.note(visitor.org, 1)
    await beside.next(event="test.noted")


async def test_the_entry_itself_goes_to_nobody_and_moves_the_cursor(world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    await world.recheck(visitor.org, visitor.user)
    await world.reached(visitor.org, 1)
    (cursor,) = await world.note(visitor.org, 1)
    told = await wire.next(event="test.noted")
    assert told.id == str(cursor)
    assert cursor.sequence == 2
    assert b"stream.rights" not in wire.body
    poll = world.wire("/test/stream/poll", visitor=visitor, query={"after": "0"})
    await poll.answered()
    assert b"stream.rights" not in poll.body
    one = world.wire("/test/events/1", visitor=visitor)
    await one.answered()
    assert one.status == 404


async def test_a_stream_that_nobody_can_vouch_for_while_its_issuer_is_away_is_to_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    monkeypatch.setattr(authentication, "verify_many", lambda credentials: [None for _ in credentials])
    monkeypatch.setattr(jwt, "undecided", lambda credential: True)
    await world.recheck(visitor.org)
    closing = (await wire.next(event="stream.closing")).json
    assert (closing["reason"], closing["reconnect"]) == ("unavailable", True)


# -- feeds that are switched off ---------------------------------------------------------------------------------------


async def test_a_feed_that_is_switched_off_ends_its_streams_of_that_org_and_is_polled_until_it_is_on(
    world: World,
) -> None:
    world.configure(RECHECK_EVERY=0.05)
    visitor, other = await world.visitor(), await world.visitor()
    wire, others = await world.open(visitor), await world.open(other)
    Members.switched_off.add(visitor.org)
    closing = await wire.next(event="stream.closing")
    assert {"reason": "disabled", "reconnect": False}.items() <= closing.json.items()
    await wire.finished()
    refused = world.wire(visitor=visitor)
    await refused.answered()
    assert (refused.status, refused.error["code"]) == (503, "stream-unavailable")
    (cursor,) = await world.note(visitor.org, 1)
    polled = world.wire("/test/stream/poll", visitor=visitor, query={"after": "0"})
    await polled.answered()
    assert [event["id"] for event in json.loads(polled.body)["events"]] == [str(cursor)]
    whole = world.wire(f"/test/events/{cursor.sequence}", visitor=visitor)
    await whole.answered()
    assert whole.status == 200
    Members.switched_off.clear()
    await world.open(visitor, cursor=closing.id)
    await world.note(other.org, 1)
    await others.next(event="test.noted")


async def test_of_a_feed_without_a_switch_nobody_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.feed.stream, "has_switch", False)
    visitor = await world.visitor()
    Members.switched_off.add(visitor.org)
    await world.open(visitor)
    (standing,) = await sync_to_async(opening.prospects)([session(world).request])
    assert isinstance(standing, opening.Standing)
