from __future__ import annotations

import asyncio
import itertools
import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from streaming.asgi import writer
from streaming.asgi.session import Session
from streaming.core.cursor import Cursor
from streaming.core.errors import CloseReason, Refused
from streaming.core.rights import Rights
from tests.streaming.asgi.world import Members, Noted, Stated, Whispered, World, eventually, numbers

pytestmark = pytest.mark.any_database

CURSOR = re.compile(r"[0-9a-z]{1,16}\.\d+\.[0-9a-f]{8}")


def session(world: World) -> Session:
    (only,) = world.process.sessions
    return only


# -- opening -----------------------------------------------------------------------------------------------------------


async def test_without_a_cursor_a_stream_starts_at_the_head_and_replays_nothing(world: World) -> None:
    visitor = await world.visitor()
    head = (await world.note(visitor.org, 3))[-1]
    wire = await world.open(visitor)
    opened, caught_up = wire.told
    data = dict(opened.json)
    assert re.fullmatch(r"con_[A-Za-z0-9_-]{1,60}", data.pop("connectionId"))
    data.pop("reconnectToken", None)
    assert data == {"cursor": str(head), "resume": "none", "snapshot": False, "heartbeat": 15}
    assert opened.event == "stream.open"
    assert opened.id == str(head)
    assert opened.block.raw.startswith(b"retry: ")
    assert caught_up.json == {"cursor": str(head), "replayed": 0}
    assert caught_up.id == str(head)


async def test_an_empty_log_has_a_cursor_too(world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    assert re.fullmatch(r"[0-9a-z]+\.0\.00000000", wire.told[0].id or "")
    await world.note(visitor.org, 1)
    assert (await wire.next(event="test.noted")).json == {"number": 1, "text": ""}


async def test_the_retry_is_drawn_once_per_connection_from_1_to_5_seconds(world: World) -> None:
    visitor = await world.visitor()
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return 2417.4 if (low, high) == (1000, 5000) else high

    world.process.uniform = uniform
    wire = await world.open(visitor)
    assert wire.told[0].block.retry == 2417
    assert asked.count((1000, 5000)) == 1
    assert (0.8 * 15, 15) in asked
    assert (1800, 3600) in asked


async def test_a_good_cursor_replays_what_was_missed_and_opens_with_the_clients_own(world: World) -> None:
    visitor = await world.visitor()
    cursors = await world.note(visitor.org, 5)
    wire = await world.open(visitor, cursor=str(cursors[1]))
    assert wire.told[0].id == str(cursors[1])
    assert wire.told[0].json["cursor"] == str(cursors[1])
    assert wire.told[0].json["resume"] == "ok"
    assert list(numbers(wire.told)) == [3, 4, 5]
    assert [one.id for one in wire.of_feed] == [str(one) for one in cursors[2:]]
    assert wire.told[-1].json == {"cursor": str(cursors[-1]), "replayed": 3}
    assert wire.told[-1].id == str(cursors[-1])


async def test_the_first_bytes_do_not_wait_for_the_replay(world: World) -> None:
    world.configure(RING_ENTRIES=2, PAGE_ENTRIES=5)
    visitor = await world.visitor()
    cursors = await world.note(visitor.org, 20)
    turns = world.process.hub.pages._turns
    for _ in range(4):
        await turns.acquire()  # no page can be read
    wire = await world.opened(visitor, cursor=str(cursors[0]))
    assert (await wire.next()).event == "stream.open"
    await eventually(lambda: session(world)._reading is not None)
    assert len(wire.told) == 1
    for _ in range(4):
        turns.release()
    await wire.next(event="stream.caught_up")
    assert list(numbers(wire.told)) == list(range(2, 21))


@pytest.mark.parametrize(
    ("given", "resume"), [(None, "none"), ("", "malformed"), ("x", "malformed"), ("a.1", "malformed")]
)
async def test_what_became_of_the_cursor_is_told(world: World, given: str | None, resume: str) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor, cursor=given)
    assert wire.told[0].json["resume"] == resume
    assert wire.told[0].json["snapshot"] is False


async def bad_cursors(world: World, org: str) -> dict[str, str]:
    """Return a cursor for each reason, violating every later one too as far as that is possible."""
    cursors = await world.note(org, 40)
    await world.trim(org, floor=20)
    epoch = cursors[0].epoch
    return {
        "epoch": "zzzz.99.00000001",
        "ahead": f"{epoch}.41.00000001",
        "truncated": f"{epoch}.3.00000001",
        "unknown": f"{epoch}.30.00000001",
    }


@pytest.mark.parametrize("reason", ["epoch", "ahead", "truncated", "unknown"])
async def test_a_bad_cursor_is_reset_to_the_state_and_only_then_gets_an_id(world: World, reason: str) -> None:
    visitor = await world.visitor()
    world.feed.state[visitor.org] = [Stated(number=7), Noted(number=8)]
    cursor = (await bad_cursors(world, visitor.org))[reason]
    head = str((await world.head(visitor.org)).cursor)
    wire = await world.open(visitor, cursor=cursor)
    opened, reset, stated, noted, caught_up = wire.told
    assert opened.json["cursor"] is None
    assert opened.json["resume"] == "reset"
    assert opened.json["snapshot"] is True
    assert (reset.event, reset.json) == ("stream.reset", {"reason": reason})
    assert [stated.json, noted.json["number"]] == [{"number": 7}, 8]
    assert [one.id for one in wire.told] == [None, None, None, None, head]
    assert caught_up.json == {"cursor": head, "replayed": 0}
    await world.note(visitor.org, 1, start=99)
    assert (await wire.next(event="test.noted")).json["number"] == 99


async def test_being_more_than_the_reach_behind_is_truncated(world: World) -> None:
    world.configure(REPLAY_MAX=10)
    visitor = await world.visitor()
    cursors = await world.note(visitor.org, 15)
    assert (await world.open(visitor, cursor=str(cursors[4]))).told[0].json["resume"] == "ok"
    wire = await world.open(visitor, cursor=str(cursors[3]))
    assert wire.told[1].json == {"reason": "truncated"}


async def test_a_snapshot_is_filtered_like_everything_else(world: World) -> None:
    visitor = await world.visitor(rights=Rights(keys=frozenset({"mine"})))
    world.feed.state[visitor.org] = [
        Stated(number=1).about("r", keys=["theirs"]),
        Stated(number=2).about("r", keys=["mine"]),
        Noted(number=3),
    ]
    wire = await world.open(visitor, cursor="zzzz.1.00000001", query={"types": "test.stated"})
    assert list(numbers(wire.told)) == [2]


async def test_a_snapshot_larger_than_one_write_goes_out_in_several(world: World) -> None:
    visitor = await world.visitor()
    world.feed.state[visitor.org] = [Noted(number=n, text="x" * 30_000) for n in range(10)]
    wire = await world.open(visitor, cursor="zzzz.1.00000001")
    assert list(numbers(wire.told)) == list(range(10))
    assert wire.sends >= 5
    assert [one.id for one in wire.told[:-1]] == [None] * 12


async def test_what_came_between_the_head_and_its_state_is_sent_after_the_state(world: World) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 2)
    late: list[Any] = []

    def meanwhile() -> None:
        if not late:
            late.append(world._emit(visitor.org, [Noted(number=3).about("")]))

    Members.before_rights = meanwhile
    wire = await world.opened(visitor, cursor="zzzz.1.00000001")
    await wire.events(2)
    assert [one.event for one in wire.told] == [
        "stream.open",
        "stream.reset",
        "test.stated",
        "stream.caught_up",
        "test.noted",
    ]
    assert wire.of_feed[-1].json["number"] == 3


async def test_rights_taken_between_registering_and_visit_count(world: World) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 1)
    key = (str(visitor.user.pk), visitor.org)
    hub = world.process.hub

    def revoke() -> None:
        assert hub.orgs[visitor.org].readers, "the session is registered before its rights are read"
        Members.rights_in.pop(key, None)

    Members.before_rights = revoke
    wire = await world.wire(visitor=visitor).answered()
    assert wire.status == 403
    assert wire.error["code"] == "forbidden"
    assert not world.hub(visitor.org).readers


async def test_narrowed_rights_hide_what_is_not_addressed_to_the_user(world: World) -> None:
    org = world.org()
    owner, member = await world.visitor(org), await world.visitor(org, rights=Rights(names=frozenset({"ann"})))
    all_of_it, some_of_it = await world.open(owner), await world.open(member)
    await world.emit(
        org,
        Noted(number=1),
        Whispered(number=2).about("", audience=["bob"]),
        Whispered(number=3).about("", audience=["ann"]),
    )
    assert list(numbers(await all_of_it.events(3))) == [1, 2, 3]
    assert list(numbers(await some_of_it.events(2))) == [1, 3]


# -- live --------------------------------------------------------------------------------------------------------------


async def test_types_narrow_replay_and_live_but_not_the_control_events(world: World) -> None:
    visitor = await world.visitor()
    start = (await world.head(visitor.org)).cursor
    await world.emit(visitor.org, Noted(number=1), Whispered(number=2))
    wire = await world.open(visitor, cursor=str(start), query={"types": " test.whispered "})
    assert wire.told[-1].json["replayed"] == 1
    await world.emit(visitor.org, Noted(number=3), Whispered(number=4))
    assert list(numbers(await wire.events(2))) == [2, 4]


async def test_a_hidden_entry_moves_the_cursor_with_the_next_heartbeat_and_only_once(world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor, query={"types": "test.whispered"})
    cursor = (await world.note(visitor.org, 1))[-1]
    await eventually(lambda: session(world)._position == cursor)
    for _ in range(2):
        session(world).tick(session(world)._heartbeat_at)
    moved, still = wire.told[-2:]
    assert (moved.block.comment, moved.id) == ("heartbeat", str(cursor))
    assert moved.block.data is None
    assert (still.block.comment, still.id) == ("heartbeat", None)


async def test_a_named_heartbeat_replaces_the_comment(world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor, query={"heartbeat": "event"})
    session(world).tick(session(world)._heartbeat_at)
    beat = wire.told[-1]
    assert beat.event == "heartbeat"
    assert beat.id is None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", beat.json["now"])


async def test_heartbeats_come_in_the_drawn_pause_after_the_last_whatever_else_is_sent(world: World) -> None:
    world.configure(EVENT_STREAM_HEARTBEAT_INTERVAL_MS=300)
    visitor = await world.visitor()
    wire = await world.open(visitor)
    assert wire.told[0].json["heartbeat"] == 0.3
    noting = asyncio.create_task(world.note(visitor.org, 50))
    beats = [await wire.next() for _ in range(2)]
    beats = []
    while len(beats) < 4:
        one = await wire.next(within=2)
        beats += [one] if one.block.comment == "heartbeat" else []
    await noting
    pauses = [later.at - earlier.at for earlier, later in itertools.pairwise(beats)]
    assert all(0.23 <= pause <= 1.3 for pause in pauses), pauses


async def test_no_heartbeat_promises_a_position_while_a_snapshot_is_still_to_be_written(world: World) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 3)
    world.feed.state[visitor.org] = [Noted(number=n, text="x" * 60_000) for n in range(3)]
    wire = world.wire(visitor=visitor, headers={"Last-Event-ID": "zzzz.1.00000001"})
    await wire.start()
    while not wire.told:  # noqa: ASYNC110 - the very next turn of the loop is wanted
        await asyncio.sleep(0)
    one = session(world)
    one.tick(one._heartbeat_at)  # between the first write and the last
    await wire.next(event="stream.caught_up")
    before = wire.told[:-1]
    assert any(told.block.comment == "heartbeat" for told in before)
    assert all(told.id is None for told in before)


async def test_one_write_holds_at_most_64_kib_of_events(world: World) -> None:
    visitor = await world.visitor()
    start = (await world.head(visitor.org)).cursor
    await world.note(visitor.org, 30, text="x" * 10_000)
    wire = await world.open(visitor, cursor=str(start))
    assert list(numbers(wire.told)) == list(range(1, 31))
    assert wire.sends >= 1 + 30 * 10_000 / 65_536


# -- slow clients ------------------------------------------------------------------------------------------------------


async def test_nothing_is_composed_for_a_stalled_client_and_nothing_is_lost_for_it(world: World) -> None:
    visitor = await world.visitor()
    slow, quick = await world.open(visitor), await world.open(visitor)
    slow.hold()
    for number in range(1, 6):
        await world.note(visitor.org, 20, start=20 * number)
        await quick.events(20 * number)
    assert len(slow.of_feed) == 0
    assert sum(one._writer.busy for one in world.process.sessions) == 1
    slow.release()
    assert list(numbers(await slow.events(100))) == list(range(20, 120))
    assert slow.sends <= 6, "what had come meanwhile goes out together"


async def test_a_write_that_does_not_end_cuts_the_client_off_as_slow_and_its_cursor_resumes(world: World) -> None:
    world.configure(SLOW_WRITE=0.2)
    visitor = await world.visitor()
    wire = await world.open(visitor)
    cursor = wire.told[-1].id
    one = session(world)
    wire.hold()
    await world.note(visitor.org, 3)
    await eventually(lambda: wire.aborted)
    await wire.finished()
    assert one.reason == "slow"
    assert not world.hub(visitor.org).readers
    again = await world.open(visitor, cursor=cursor)
    assert list(numbers(again.told)) == [1, 2, 3]


async def test_a_stalled_replay_is_not_slow_while_its_writes_end(world: World) -> None:
    world.configure(SLOW_WRITE=0.4, SLOW_LAG=0.1)
    visitor = await world.visitor()
    start = (await world.head(visitor.org)).cursor
    await world.note(visitor.org, 30, text="x" * 20_000)
    wire = world.wire(visitor=visitor, headers={"Last-Event-ID": str(start)})
    await wire.start()
    for _ in range(4):
        wire.hold()
        await asyncio.sleep(0.15)  # each write takes longer than a live one may lag
        wire.release()
        await asyncio.sleep(0)
    await wire.next(event="stream.caught_up")
    assert list(numbers(wire.told)) == list(range(1, 31))
    assert not wire.aborted


async def test_a_write_of_a_replay_may_take_as_long_as_the_client_takes_bytes_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure(SLOW_WRITE=0.2)
    acknowledged = 0
    monkeypatch.setattr(writer, "taken", lambda send: acknowledged)
    visitor = await world.visitor()
    start = (await world.head(visitor.org)).cursor
    await world.note(visitor.org, 30, text="x" * 20_000)
    wire = world.wire(visitor=visitor, headers={"Last-Event-ID": str(start)})
    await wire.start()
    wire.hold()
    begun = world.process.now()
    while world.process.now() < begun + 1:
        acknowledged += 1
        await asyncio.sleep(0.05)
        assert not wire.aborted
    wire.release()
    await wire.next(event="stream.caught_up")
    wire.hold()
    await world.note(visitor.org, 1)
    while not wire.aborted:
        acknowledged += 1
        await asyncio.sleep(0.05)
        assert world.process.now() < begun + 5, "a live stream has so long for a write, whatever moves"


async def test_a_replay_of_which_nothing_is_taken_is_slow(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.configure(SLOW_WRITE=0.2)
    monkeypatch.setattr(writer, "taken", lambda send: 7)
    visitor = await world.visitor()
    start = (await world.head(visitor.org)).cursor
    await world.note(visitor.org, 30, text="x" * 20_000)
    wire = world.wire(visitor=visitor, headers={"Last-Event-ID": str(start)})
    await wire.start()
    wire.hold()
    await eventually(lambda: wire.aborted, within=2)


async def test_a_goodbye_of_a_shutdown_that_is_not_taken_is_not_waited_for(world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    wire.hold()
    begun = world.process.now()
    session(world).close(CloseReason.SHUTDOWN)
    await eventually(lambda: wire.aborted, within=2)
    assert world.process.now() - begun < 1.5


async def test_a_live_client_that_never_catches_up_is_slow_though_each_write_ends(world: World) -> None:
    world.configure(SLOW_LAG=0.8, SLOW_WRITE=0.5)
    visitor = await world.visitor()
    wire = await world.open(visitor)
    one = session(world)
    begun, count = world.process.now(), 0
    while one.reason is None:
        wire.hold()
        await world.note(visitor.org, 6, start=count, text="x" * 30_000)
        count += 6
        wire.release()  # one write of two events goes through, and six have come
        await asyncio.sleep(0)
        assert world.process.now() < begun + 5, "it is never called slow"
    await wire.finished()
    assert one.reason == "slow"
    assert world.process.now() >= begun + 0.8
    assert wire.sends >= 5


async def test_a_client_that_has_caught_up_again_is_not_slow(world: World) -> None:
    world.configure(SLOW_LAG=0.2)
    visitor = await world.visitor()
    wire = await world.open(visitor)
    wire.hold()
    await world.note(visitor.org, 1)
    wire.release()
    await wire.events(1)
    await eventually(lambda: session(world)._lagging_since is None)
    assert session(world).tick(world.process.now() + 1) is not None
    assert not wire.ended


async def test_a_write_that_fails_ends_the_session_as_the_clients_doing(world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    one = session(world)
    wire.break_with(OSError("closed"))
    await world.note(visitor.org, 1)
    await wire.finished()
    assert one.reason == "client"
    assert not world.process.sessions


async def test_a_write_that_fails_after_waiting_ends_the_session_too(world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    one = session(world)
    wire.hold()
    await world.note(visitor.org, 1)
    await eventually(lambda: one._writer.busy)
    assert wire._free is not None
    wire._free.set_exception(OSError("closed"))
    await wire.finished()
    assert one.reason == "client"


# -- endings -----------------------------------------------------------------------------------------------------------


async def test_a_client_that_leaves_leaves_nothing_behind(world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    one = session(world)
    await wire.leave()
    assert one.reason == "client"
    assert not world.process.sessions
    assert not world.hub(visitor.org).readers
    assert world.process.limits.total == 0


@pytest.mark.parametrize("reason", list(CloseReason))
async def test_the_goodbye_says_why_and_whether_to_come_back(world: World, reason: CloseReason) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    session(world).close(reason)
    await wire.finished()
    closing = wire.told[-1]
    assert closing.event == "stream.closing"
    assert closing.id is None
    assert closing.json == {
        "reason": reason.value,
        "reconnect": reason not in (CloseReason.AUTH_REVOKED, CloseReason.SUPERSEDED, CloseReason.DISABLED),
        "retryMs": closing.block.retry,
    }
    assert 1000 <= (closing.block.retry or 0) <= 5000
    assert wire.ended
    assert not world.process.sessions


async def test_a_goodbye_is_said_once(world: World) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    one = session(world)
    one.close(CloseReason.ROTATED)
    one.close(CloseReason.ERROR)
    one.flush()
    await wire.finished()
    assert [told.json["reason"] for told in wire.told if told.event == "stream.closing"] == ["rotated"]


async def test_a_goodbye_that_cannot_be_written_gets_as_long_as_any_other_write(world: World) -> None:
    world.configure(SLOW_WRITE=0.5)
    visitor = await world.visitor()
    wire = await world.open(visitor)
    one = session(world)
    wire.hold()
    one.close(CloseReason.ROTATED)
    assert one.tick(world.process.now()) is not None, "a heartbeat that is due does not cut it off"
    assert not wire.aborted
    wire.release()
    await wire.finished()
    assert wire.told[-1].json["reason"] == "rotated"


async def test_a_client_that_does_not_take_its_goodbye_is_cut_off(world: World) -> None:
    world.configure(SLOW_WRITE=0.15)
    visitor = await world.visitor()
    wire = await world.open(visitor)
    wire.hold()
    session(world).close(CloseReason.ROTATED)
    await eventually(lambda: wire.aborted, within=2)
    await wire.finished()


async def test_a_token_that_expires_mid_stream_ends_it(world: World) -> None:
    visitor = await world.visitor(expires_at=timezone.now() + timedelta(seconds=0.6))
    wire = await world.open(visitor)
    closing = await wire.next(event="stream.closing", within=2)
    assert closing.json["reason"] == "auth_expired"
    await world.note(visitor.org, 1)
    await wire.finished()
    assert wire.of_feed == []


async def test_a_connection_is_rotated_at_the_end_of_its_life(world: World) -> None:
    world.configure(LIFE_MIN=0.2, LIFE_MAX=0.3)
    visitor = await world.visitor()
    wire = await world.open(visitor)
    closing = await wire.next(event="stream.closing", within=2)
    assert closing.json["reason"] == "rotated"
    assert closing.json["reconnect"] is True


async def test_a_newer_connection_of_the_same_page_supersedes_the_older(world: World) -> None:
    org = world.org()
    ann, bob = await world.visitor(org), await world.visitor(org)
    first = await world.open(ann, query={"connection": "page-1"})
    others = [
        await world.open(ann, query={"connection": "page-2"}),
        await world.open(ann),
        await world.open(ann),
        await world.open(bob, query={"connection": "page-1"}),
    ]
    newer = await world.open(ann, query={"connection": "page-1"})
    closing = await first.next(event="stream.closing")
    assert closing.json["reason"] == "superseded"
    assert closing.json["reconnect"] is False
    await world.note(org, 1)
    for wire in (*others, newer):
        assert list(numbers(await wire.events(1))) == [1]
    assert first.of_feed == []


# -- another log -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sequence", "epoch", "reason"), [(4, None, "ahead"), (4, "other1", "epoch"), (0, "other2", "epoch")]
)
async def test_a_replaced_log_resets_every_session_and_they_go_on(
    world: World, sequence: int, epoch: str | None, reason: str
) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 8)
    wires = [await world.open(visitor) for _ in range(3)]
    await world.rewind(visitor.org, sequence, epoch=epoch)
    head = str((await world.head(visitor.org)).cursor)
    for wire in wires:
        assert (await wire.next(event="stream.reset")).json == {"reason": reason}
        assert (await wire.next()).event == "test.stated"
        caught_up = await wire.next()
        assert (caught_up.event, caught_up.id) == ("stream.caught_up", head)
    await world.note(visitor.org, 2, start=100)
    for wire in wires:
        got = list(numbers(await wire.events(3)))
        assert got == [0, 100, 101]


async def test_a_log_that_was_restored_and_has_grown_past_is_noticed_by_its_fingerprint(world: World) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 8)
    wire = await world.open(visitor)
    world.process._sequencer._orgs.clear()  # type: ignore[union-attr]
    async with frozen_watcher(world):
        await world.rewind(visitor.org, 4)
        await world.emit(visitor.org, *(Noted(number=50 + n) for n in range(4)))
        await world.reached(visitor.org, 8)
    assert (await wire.next(event="stream.reset")).json == {"reason": "unknown"}
    await wire.next(event="stream.caught_up")
    await world.note(visitor.org, 1, start=99)
    assert list(numbers(await wire.events(2)))[-1] == 99


class frozen_watcher:  # noqa: N801 - reads as the condition that it is
    """While it holds, this process neither asks the heads nor hears of batches."""

    def __init__(self, world: World) -> None:
        self._process = world.process

    async def __aenter__(self) -> None:
        self._ask, self._spread = self._process.watcher.ask, self._process._spread

        idle = asyncio.Event()

        async def nothing() -> None:
            idle.set()

        self._process.watcher.ask = nothing  # type: ignore[method-assign]
        self._process._spread = lambda batch: None  # type: ignore[method-assign]
        await idle.wait()  # an answer that was under way would tell of it all the same

    async def __aexit__(self, *_: object) -> None:
        self._process.watcher.ask = self._ask  # type: ignore[method-assign]
        self._process._spread = self._spread  # type: ignore[method-assign]


async def test_a_log_replaced_while_a_session_opens_is_opened_anew(world: World) -> None:
    visitor = await world.visitor()
    cursors = await world.note(visitor.org, 6)
    watching = await world.open(visitor)
    process, replaced = world.process, False

    def meanwhile() -> None:
        nonlocal replaced
        if not replaced:
            replaced = True
            world._rewind(visitor.org, 3, None)
            asyncio.run_coroutine_threadsafe(process.watcher.ask(), process.loop).result(5)

    Members.before_rights = meanwhile
    wire = await world.open(visitor, cursor=str(cursors[5]))
    assert wire.told[1].json == {"reason": "ahead"}
    assert wire.told[-1].id == str(cursors[2])
    await watching.next(event="stream.reset")


async def test_a_log_trimmed_under_a_replay_is_told_as_truncated(world: World) -> None:
    world.configure(RING_ENTRIES=2, PAGE_ENTRIES=5)
    visitor = await world.visitor()
    cursors = await world.note(visitor.org, 40)
    wire = world.wire(visitor=visitor, headers={"Last-Event-ID": str(cursors[0])})
    turns = world.process.hub.pages._turns
    for _ in range(4):
        await turns.acquire()
    await wire.start()
    await eventually(lambda: session(world)._reading is not None)
    await world.trim(visitor.org, floor=30)
    for _ in range(4):
        turns.release()
    assert (await wire.next(event="stream.reset")).json == {"reason": "truncated"}
    assert (await wire.next()).event == "test.stated"
    assert (await wire.next()).id == str(cursors[-1])


async def test_who_lost_his_place_while_his_log_was_replaced_is_sent_away(world: World) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 3)
    wire = await world.open(visitor)
    Members.rights_in.clear()
    await world.rewind(visitor.org, 1)
    assert (await wire.next(event="stream.closing")).json["reason"] == "auth_revoked"
    assert all(one.event != "stream.reset" for one in wire.told)


async def test_a_state_that_cannot_be_read_after_a_reset_ends_the_stream_as_unavailable(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 3)
    wire = await world.open(visitor)

    def fails(org: str, rights: Rights) -> list[Noted]:
        raise RuntimeError("no state")

    monkeypatch.setattr(world.feed.stream, "snapshot", fails)
    await world.rewind(visitor.org, 1)
    closing = await wire.next(event="stream.closing")
    assert closing.json["reason"] == "unavailable"
    assert closing.json["reconnect"] is True


async def test_a_page_that_cannot_be_read_ends_the_stream_as_unavailable(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure(RING_ENTRIES=2, PAGE_ENTRIES=5)
    visitor = await world.visitor()
    cursors = await world.note(visitor.org, 20)

    async def fails(*_: object) -> None:
        raise Refused(503, "stream-unavailable", "away")

    monkeypatch.setattr(world.process.hub.pages, "read", fails)
    wire = await world.opened(visitor, cursor=str(cursors[0]))
    assert (await wire.next(event="stream.closing")).json["reason"] == "unavailable"


async def test_a_cursor_moves_only_over_what_was_written(world: World) -> None:
    """Whatever prefix of the bytes arrives, its last id is one behind which nothing is missing."""
    visitor = await world.visitor()
    cursors = [Cursor.parse("x"), *await world.note(visitor.org, 30)]
    wire = await world.open(visitor, cursor=str(cursors[10]))
    seen = 10
    for told in wire.told:
        if told.id is not None:
            at = Cursor.parse(told.id)
            assert at is not None
            assert at.sequence in (seen, seen + 1)
            seen = at.sequence
