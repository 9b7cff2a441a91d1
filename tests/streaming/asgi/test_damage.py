"""What is wrong in the database reaches no client: damaged rows, logs that are trimmed under a replay, odd clocks."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import orjson
import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.utils import timezone

from streaming import incidents
from streaming.incidents import Incident
from streaming.outbox import emit
from tests.streaming.asgi.world import Noted, World, numbers

pytestmark = pytest.mark.any_database


async def damage(org: str, sequence: int, data: str) -> None:
    def write() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE streaming_logentry SET data = %s WHERE org = %s AND sequence = %s", [data, org, sequence]
            )

    await sync_to_async(write)()


async def test_a_replay_passes_a_damaged_row_by_and_nobody_elses_stream_notices(world: World) -> None:
    visitor, other = await world.visitor(), await world.visitor()
    cursors = await world.note(visitor.org, 6)
    await damage(visitor.org, 3, "{\n")
    await damage(visitor.org, 5, 'x\n\nevent: stream.closing\ndata: {"reason":"shutdown"}\n\n')
    before = incidents.counted(Incident.DAMAGED_ENTRY)
    elsewhere = await world.open(other)
    wire = await world.open(visitor, cursor=str(cursors[0]))
    assert list(numbers(wire.told)) == [2, 4, 6]
    assert [told.event for told in wire.told if told.event and told.event.startswith("stream.")] == [
        "stream.open",
        "stream.caught_up",
    ]
    assert wire.told[-1].id == str(cursors[-1])
    assert incidents.counted(Incident.DAMAGED_ENTRY) >= before + 2
    await world.note(visitor.org, 1, start=7)
    await world.note(other.org, 1)
    await wire.events(4)
    await elsewhere.events(1)
    assert not wire.ended


async def test_a_poll_passes_it_by_too_and_the_entry_itself_is_not_found(world: World) -> None:
    visitor = await world.visitor()
    await world.note(visitor.org, 4)
    await damage(visitor.org, 2, "")
    answer = await world.wire("/test/events", visitor=visitor, query={"after": "0"}).answered()
    assert [one["sequence"] for one in orjson.loads(answer.body)["events"]] == [1, 3, 4]
    assert (await world.wire("/test/events/2", visitor=visitor).answered()).status == 404
    assert (await world.wire("/test/events/3", visitor=visitor).answered()).status == 200


async def test_a_client_that_stands_at_a_damaged_row_resumes_behind_it(world: World) -> None:
    visitor = await world.visitor()
    cursors = await world.note(visitor.org, 5)
    await damage(visitor.org, 3, "{")
    wire = await world.open(visitor, cursor=str(cursors[2]))
    assert wire.told[0].json["resume"] == "ok"
    assert list(numbers(wire.told)) == [4, 5]


async def test_trimming_under_replays_is_told_or_not_noticed_and_never_a_gap(world: World) -> None:
    world.configure(RING_ENTRIES=20, PAGE_ENTRIES=25, PAGES_KEPT=2, STREAM_MAX_PER_USER=0)
    visitor = await world.visitor()
    cursors = await world.note(visitor.org, 600)
    chance = random.Random(3)
    outcomes = {"whole": 0, "reset": 0}

    async def replay(start: int) -> None:
        wire = await world.opened(visitor, cursor=str(cursors[start - 1]))
        for _ in range(4):
            wire.hold()
            await asyncio.sleep(chance.uniform(0, 0.05))
            wire.release()
            await asyncio.sleep(0)
        await wire.next(event="stream.caught_up", within=20)
        resets = [told.json["reason"] for told in wire.told if told.event == "stream.reset"]
        seen = [told for told in wire.told if told.event == "test.noted"]
        assert list(numbers(seen)) == list(range(start + 1, start + 1 + len(seen))), "what it got has no gap"
        if resets:
            assert resets == ["truncated"]
        else:
            assert len(seen) == 600 - start, "what it did not get, it was told"
        outcomes["reset" if resets else "whole"] += 1
        await wire.leave()

    async def trim() -> None:
        for floor in range(40, 560, 40):
            await asyncio.sleep(0.03)
            await world.trim(visitor.org, floor=floor)

    starts = [chance.randrange(1, 560) for _ in range(60)]
    await asyncio.gather(trim(), *(replay(start) for start in starts))
    assert min(outcomes.values()) >= 3, outcomes
    print(outcomes)


@pytest.mark.parametrize("minutes", [-5, 5])
async def test_a_writer_whose_clock_is_five_minutes_off_changes_no_order_and_loses_nothing(
    world: World, minutes: int
) -> None:
    visitor = await world.visitor()
    wire = await world.open(visitor)
    cursors = await world.note(visitor.org, 1)

    def off(number: int) -> None:
        with transaction.atomic():
            emit(Noted(number=number), org=visitor.org, emitted_at=timezone.now() + timedelta(minutes=minutes))

    for number in (2, 4):
        await sync_to_async(off)(number)
        await world.note(visitor.org, 1, start=number + 1)
    assert list(numbers(await wire.events(5))) == [1, 2, 3, 4, 5]
    again = await world.open(visitor, cursor=str(cursors[0]))
    assert list(numbers(again.told)) == [2, 3, 4, 5]
