from __future__ import annotations

import asyncio

import pytest

from streaming.asgi.wheel import TICK, Wheel
from tests.streaming.asgi.world import eventually


class Timed:
    def __init__(self, name: str, order: list[str], *, again: float | None = None, raises: bool = False) -> None:
        self.bucket = 0
        self.name = name
        self.times: list[float] = []
        self.again = again
        self._order = order
        self._raises = raises

    def tick(self, now: float) -> float | None:
        self.times.append(now)
        self._order.append(self.name)
        if self._raises:
            raise RuntimeError("a defect")
        again, self.again = self.again, None
        return None if again is None else now + again


@pytest.fixture
async def wheel() -> Wheel:
    return Wheel(asyncio.get_running_loop())


async def test_who_is_due_first_is_called_first_and_never_early(wheel: Wheel) -> None:
    order: list[str] = []
    now = asyncio.get_running_loop().time()
    timed = {name: Timed(name, order) for name in ("late", "soon", "middle")}
    for name, after in (("late", 0.5), ("soon", 0.05), ("middle", 0.3)):
        wheel.schedule(timed[name], now + after)
    await eventually(lambda: len(order) == 3)
    assert order == ["soon", "middle", "late"]
    for name, after in (("soon", 0.05), ("middle", 0.3), ("late", 0.5)):
        assert now + after <= timed[name].times[0] <= now + after + TICK + 0.1


async def test_one_timer_is_armed_for_all(wheel: Wheel) -> None:
    now = asyncio.get_running_loop().time()
    for number in range(1000):
        wheel.schedule(Timed(str(number), []), now + 10 + number / 50)
    armed = wheel._handle
    assert armed is not None
    assert now + 10 <= armed.when() <= now + 10.2
    wheel.schedule(Timed("sooner", []), now + 1)
    assert armed.cancelled()
    wheel.close()
    assert wheel._handle is not None
    assert wheel._handle.cancelled()


async def test_moved_to_an_earlier_time_it_is_called_once(wheel: Wheel) -> None:
    one = Timed("one", [])
    now = asyncio.get_running_loop().time()
    wheel.schedule(one, now + 0.4)
    wheel.schedule(one, now + 0.1)
    wheel.schedule(one, now + 0.2)  # will be called earlier anyway
    last = Timed("last", [])
    wheel.schedule(last, now + 0.6)
    await eventually(lambda: last.times)
    assert len(one.times) == 1
    assert one.times[0] <= now + 0.3


async def test_what_a_tick_returns_is_its_next_time(wheel: Wheel) -> None:
    one = Timed("one", [], again=0.15)
    wheel.schedule(one, asyncio.get_running_loop().time())
    await eventually(lambda: len(one.times) == 2)
    assert one.times[1] - one.times[0] >= 0.15
    assert one.bucket == 0


async def test_the_cancelled_is_not_called(wheel: Wheel) -> None:
    one, other = Timed("one", []), Timed("other", [])
    now = asyncio.get_running_loop().time()
    wheel.schedule(one, now + 0.05)
    wheel.schedule(other, now + 0.15)
    wheel.cancel(one)
    await eventually(lambda: other.times)
    assert one.times == []


async def test_one_that_raises_does_not_stop_the_others(wheel: Wheel, caplog: pytest.LogCaptureFixture) -> None:
    order: list[str] = []
    broken, fine = Timed("broken", order, raises=True), Timed("fine", order, again=0.1)
    now = asyncio.get_running_loop().time()
    wheel.schedule(broken, now)
    wheel.schedule(fine, now)
    await eventually(lambda: len(fine.times) == 2)
    assert order == ["broken", "fine", "fine"]
    assert "a session's timer failed" in caplog.text
