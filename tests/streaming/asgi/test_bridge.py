from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from django.db import OperationalError, connection, connections

from streaming.asgi.bridge import Bridge, Coalescer
from streaming.models import Head
from tests.streaming.asgi.world import eventually


@pytest.fixture
async def bridge() -> AsyncIterator[Bridge]:
    made = Bridge(2)
    yield made
    await asyncio.to_thread(made.close)


async def test_calls_run_beside_each_other_on_the_bridges_own_threads(bridge: Bridge) -> None:
    together = threading.Barrier(2, timeout=5)

    def name() -> str:
        together.wait()
        return threading.current_thread().name

    names = await asyncio.gather(bridge.call(name), bridge.call(name))
    assert len(set(names)) == 2
    assert all(one.startswith("streaming-bridge") for one in names)


async def test_an_error_of_the_call_is_the_callers(bridge: Bridge) -> None:
    def fails(*, why: str) -> None:
        raise LookupError(why)

    with pytest.raises(LookupError, match="gone"):
        await bridge.call(fails, why="gone")


@pytest.mark.sqlite
async def test_on_sqlite_a_thread_keeps_its_connection(bridge: Bridge, transactional_db: None) -> None:
    def ask() -> int:
        Head.objects.count()
        return id(connections["default"].connection)

    assert len({await bridge.call(ask) for _ in range(6)}) <= 2


@pytest.mark.postgres
async def test_on_postgres_an_idle_bridge_holds_no_connection(bridge: Bridge, transactional_db: None) -> None:
    def held() -> bool:
        return connections["default"].connection is not None

    await asyncio.gather(*(bridge.call(Head.objects.count) for _ in range(4)))
    assert not any(await asyncio.gather(*(bridge.call(held) for _ in range(4))))


@pytest.mark.sqlite
async def test_a_connection_that_failed_is_not_kept(bridge: Bridge, transactional_db: None) -> None:
    def break_it() -> None:
        Head.objects.count()
        connections["default"].errors_occurred = True

    def is_connected() -> bool:
        return connections["default"].connection is not None

    one = Bridge(1)
    try:
        await one.call(break_it)
        assert not await one.call(is_connected)
    finally:
        await asyncio.to_thread(one.close)


async def test_closing_ends_every_thread(transactional_db: None) -> None:
    made = Bridge(3)
    await asyncio.gather(*(made.call(connection.ensure_connection) for _ in range(3)))
    await asyncio.to_thread(made.close)
    await eventually(lambda: not [one for one in threading.enumerate() if one in made._threads])


async def test_a_question_to_a_hung_database_is_given_up_in_time_and_its_thread_left_to_it(settings: Any) -> None:
    settings.STREAMING = {**settings.STREAMING, "DATABASE_TIMEOUT": 0.1}
    made, answers = Bridge(1), threading.Event()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    called: list[str] = []
    for name in ("hangs", "never begins"):
        with pytest.raises(OperationalError, match=r"no answer within 0\.1 s"):
            await made.ask(lambda name=name: (called.append(name), answers.wait(20)))
    await asyncio.to_thread(made.close, within=0.1)
    assert loop.time() - begun < 5
    answers.set()
    await eventually(lambda: not made._threads[0].is_alive())
    assert called == ["hangs"], "who asked second has left before it was his turn"


class Answers:
    """Answers questions by doubling them, in batches that it counts and can hold up."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.free = threading.Event()
        self.free.set()
        self.raises: Exception | None = None

    def __call__(self, questions: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(questions))
        assert self.free.wait(5)
        if self.raises is not None:
            raise self.raises
        return [2 * question for question in questions]


async def test_who_asks_while_a_batch_is_under_way_shares_the_next(bridge: Bridge) -> None:
    answers = Answers()
    answers.free.clear()
    coalescer: Coalescer[int, int] = Coalescer(bridge, answers, at_once=250)
    first = asyncio.create_task(coalescer.ask(0))
    await eventually(lambda: answers.batches)
    others = [asyncio.create_task(coalescer.ask(number)) for number in range(1, 601)]
    await asyncio.sleep(0)
    answers.free.set()
    assert await asyncio.gather(first, *others) == [2 * number for number in range(601)]
    assert [len(batch) for batch in answers.batches] == [1, 250, 250, 100]
    assert await coalescer.ask(9) == 18


async def test_an_error_reaches_all_of_its_batch_and_nobody_else(bridge: Bridge) -> None:
    answers = Answers()
    answers.free.clear()
    coalescer: Coalescer[int, int] = Coalescer(bridge, answers)
    first = asyncio.create_task(coalescer.ask(1))
    await eventually(lambda: answers.batches)
    answers.raises = LookupError("away")
    answers.free.set()
    together = await asyncio.gather(first, coalescer.ask(2), coalescer.ask(3), return_exceptions=True)
    assert [type(one) for one in together] == [LookupError] * 3
    answers.raises = None
    assert await coalescer.ask(4) == 8


async def test_who_has_left_does_not_disturb_the_others(bridge: Bridge) -> None:
    answers = Answers()
    answers.free.clear()
    coalescer: Coalescer[int, int] = Coalescer(bridge, answers)
    asked: list[asyncio.Task[Any]] = [asyncio.create_task(coalescer.ask(number)) for number in range(5)]
    await eventually(lambda: answers.batches)
    asked[0].cancel()
    asked[3].cancel()
    await asyncio.sleep(0)
    answers.free.set()
    assert [await asked[number] for number in (1, 2, 4)] == [2, 4, 8]
    answers.free.clear()
    asked = [asyncio.create_task(coalescer.ask(number)) for number in range(2)]
    await eventually(lambda: len(answers.batches) >= 2)
    asked[0].cancel()
    await asyncio.sleep(0)
    answers.raises = LookupError("away")
    answers.free.set()
    with pytest.raises(LookupError):
        await asked[1]


async def test_who_waits_behind_a_database_that_is_away_is_told_with_the_first(bridge: Bridge) -> None:
    answers = Answers()
    answers.free.clear()
    coalescer: Coalescer[int, int] = Coalescer(bridge, answers, at_once=2)
    asked = [asyncio.create_task(coalescer.ask(0))]
    await eventually(lambda: answers.batches)
    asked += [asyncio.create_task(coalescer.ask(number)) for number in range(1, 9)]
    await asyncio.sleep(0)
    answers.raises = OperationalError("connection refused")
    answers.free.set()
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(one) for one in told} == {OperationalError}
    assert answers.batches == [[0]]
    answers.raises = None
    assert await coalescer.ask(4) == 8


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
async def test_a_bridge_that_keeps_its_connection_does_until_that_has_failed() -> None:
    def which(statement: str = "SELECT pg_backend_pid()") -> int:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return int(cursor.fetchone()[0])

    bridge = Bridge(1, keeps=True)
    try:
        first = await bridge.call(which)
        assert await bridge.call(which) == first
        with pytest.raises(OperationalError):
            await bridge.call(which, "SELECT 1 FROM pg_terminate_backend(pg_backend_pid())")
        assert await bridge.call(which) != first
    finally:
        bridge.close()
