"""The state after a reset: who gets it, who need not wait for it, and what it must not hold."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from streaming import log
from streaming.asgi.session import Session
from streaming.core.event import Announcement
from streaming.core.rights import EVERYTHING, Rights
from tests.streaming.asgi.world import PATH, Stated, World, eventually

pytestmark = pytest.mark.any_database

FOREIGN = "zz.9.00000001"


class Gate:
    """A snapshot that is read when the test says so."""

    def __init__(self, world: World) -> None:
        self.begun = 0
        self.open = threading.Event()
        self.told = world.feed.snapshot
        world.feed.stream.snapshot = self.snapshot

    def snapshot(self, org: str, rights: Rights) -> Any:
        self.begun += 1
        assert self.open.wait(10)
        return self.told(org, rights)


@pytest.fixture
def gate(world: World) -> Iterator[Gate]:
    gate = Gate(world)
    yield gate
    gate.open.set()
    world.feed.stream.snapshot = gate.told


async def test_a_slow_state_holds_up_nobody_and_is_read_once_for_all_who_may_see_the_same(
    world: World, gate: Gate
) -> None:
    org = world.org()
    visitors = [await world.visitor(org) for _ in range(30)]
    wires = [await world.opened(visitor, cursor=FOREIGN) for visitor in visitors]
    for wire in wires:
        assert (await wire.next(event="stream.reset")).json == {"reason": "epoch"}, "before the state is read"
    await eventually(lambda: gate.begun >= 1)
    started = time.monotonic()
    other = await world.visitor()
    stream = await world.open(other)
    await world.note(other.org, 1)
    await stream.events(1)
    assert (await world.wire("/readyz").answered()).status == 200
    assert time.monotonic() - started < 3
    gate.open.set()
    for wire in wires:
        assert (await wire.next(event="test.stated")).json == {"number": 0}
        assert (await wire.next(event="stream.caught_up")).id
        assert not wire.ended
    assert gate.begun <= 3, "each batch reads it once"


async def test_a_state_that_was_read_under_rights_that_have_moved_is_read_again(world: World, gate: Gate) -> None:
    visitor = await world.visitor(rights=EVERYTHING)
    world.feed.state[visitor.org] = [
        Announcement.of(Stated(number=1)),
        Stated(number=2).about("", audience=["somebody"]),
    ]
    wire = await world.opened(visitor, cursor=FOREIGN)
    await eventually(lambda: gate.begun == 1)
    world.grant(visitor.user, visitor.org, Rights(names=frozenset({"nobody"})))
    gate.open.set()
    await wire.next(event="stream.caught_up")
    assert [one.json["number"] for one in wire.of_feed] == [1]
    assert gate.begun == 2


async def test_who_lost_his_place_while_the_state_was_read_sees_none_of_it(world: World, gate: Gate) -> None:
    visitor = await world.visitor()
    wire = await world.opened(visitor, cursor=FOREIGN)
    await eventually(lambda: gate.begun == 1)
    world.withdraw(visitor.user, visitor.org)  # and no entry tells of it
    gate.open.set()
    assert (await wire.next(event="stream.closing")).json["reason"] == "auth_revoked"
    assert wire.of_feed == []


async def test_a_log_that_is_replaced_while_the_state_is_read_is_told_anew(world: World, gate: Gate) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 3)
    wire = await world.opened(visitor, cursor=FOREIGN)
    await eventually(lambda: gate.begun == 1)
    await world.rewind(visitor.org, 1)
    await eventually(lambda: world.hub(visitor.org).incarnation == 1)
    gate.open.set()
    await wire.next(event="stream.caught_up")
    resets = [one for one in wire.told if one.event == "stream.reset"]
    assert [one.json["reason"] for one in resets] == ["epoch", "ahead"]
    assert [one.json["number"] for one in wire.of_feed] == [0], "the state once, of the log that is"
    await world.note(visitor.org, 1, start=9)
    assert (await wire.events(2))[-1].json["number"] == 9


async def test_a_client_that_leaves_while_its_state_is_read_leaves_nothing(world: World, gate: Gate) -> None:
    wire = await world.opened(await world.visitor(), cursor=FOREIGN)
    await eventually(lambda: gate.begun == 1)
    await wire.leave()
    gate.open.set()
    await eventually(lambda: not world.process.sessions)


async def test_nothing_is_read_for_who_only_asks_or_finds_no_room(world: World, gate: Gate) -> None:
    world.configure(STREAM_MAX_PER_USER=1)
    visitor = await world.visitor()
    await world.open(visitor)
    for method, status in (("HEAD", 200), ("GET", 429)):
        wire = await world.wire(visitor=visitor, method=method, headers={"Last-Event-ID": FOREIGN}).answered()
        assert wire.status == status
    assert gate.begun == 0


async def test_a_database_that_goes_away_behind_the_headers_is_told_in_the_stream(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 2)
    read, away = log.heads, asyncio.Event()

    def heads(orgs: Any) -> Any:
        if away.is_set():
            raise OperationalError("gone")
        return read(orgs)

    monkeypatch.setattr(log, "heads", heads)
    wire = world.wire(visitor=visitor)
    original = wire.send

    async def send(message: dict[str, Any]) -> None:
        await original(message)
        if message["type"] == "http.response.start":
            away.set()
            world.hub(visitor.org).incarnation += 1  # as when the log was replaced meanwhile

    wire.send = send  # type: ignore[method-assign]
    await wire.start()
    assert wire.status == 200
    closing = (await wire.next(event="stream.closing")).json
    assert (closing["reason"], closing["reconnect"]) == ("unavailable", True)
    await wire.finished()


async def test_a_defect_behind_the_headers_is_told_in_the_stream_too(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def defect(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Session, "begin", defect)
    wire = await world.wire(PATH, visitor=await world.visitor()).start()
    assert wire.status == 200
    assert (await wire.next(event="stream.closing")).json["reason"] == "error"
    assert "a stream failed to open" in caplog.text


async def test_a_hole_in_the_log_is_a_reset_and_no_endless_search(world: World) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 4)
    wire = await world.open(visitor)

    def tear() -> None:
        from streaming.models import Head, LogEntry

        LogEntry.objects.bulk_create(
            LogEntry(org=visitor.org, type="test.noted", sequence=number, data='{"number":1,"text":""}')
            for number in (6, 7)
        )
        last = LogEntry.objects.get(org=visitor.org, sequence=7)
        Head.objects.filter(org=visitor.org).update(sequence=7, fingerprint=log.fingerprint(last.uid))

    await sync_to_async(tear)()
    assert (await wire.next(event="stream.reset")).json["reason"] == "unknown"
    await wire.next(event="stream.caught_up")
    fills = world.hub(visitor.org).fills
    await asyncio.sleep(0.5)
    assert world.hub(visitor.org).fills - fills <= 4
