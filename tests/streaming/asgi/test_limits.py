from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from streaming.asgi.limits import Limits, is_loopback, retry_after
from streaming.core.errors import Refused
from tests.streaming.asgi.world import World


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def limits(settings: Any, clock: list[float]) -> Callable[..., Limits]:
    def make(**chosen: int) -> Limits:
        settings.STREAMING = {**settings.STREAMING, **chosen}
        return Limits(clock=lambda: clock[0])

    return make


def refused(act: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value


def test_a_burst_from_one_address_is_let_through_up_to_the_rate(
    limits: Callable[..., Limits], clock: list[float]
) -> None:
    made = limits(STREAM_CONNECTS_PER_SECOND=3)
    for _ in range(3):
        made.connecting("192.0.2.1")
    refusal = refused(lambda: made.connecting("192.0.2.1"))
    assert (refusal.status, refusal.code, refusal.temporary) == (429, "rate-limited", True)
    assert 1 <= int(refusal.headers["Retry-After"]) <= 2
    made.connecting("192.0.2.2")
    clock[0] += 0.34
    made.connecting("192.0.2.1")
    refused(lambda: made.connecting("192.0.2.1"))
    clock[0] += 100
    for _ in range(3):
        made.connecting("192.0.2.1")
    refused(lambda: made.connecting("192.0.2.1"))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.9.9.9", ""])
def test_loopback_is_exempt(limits: Callable[..., Limits], address: str) -> None:
    made = limits(STREAM_CONNECTS_PER_SECOND=1, STREAM_MAX_PER_ADDRESS=1)
    for _ in range(10):
        made.connecting(address)
        made.take(user="u", org="o", address=address)
    assert is_loopback(address)


def test_addresses_that_have_gone_are_forgotten(limits: Callable[..., Limits], clock: list[float]) -> None:
    made = limits(STREAM_CONNECTS_PER_SECOND=5)
    for number in range(10_000):
        made.connecting(f"192.0.2.{number}")
    clock[0] += 3
    made.connecting("198.51.100.1")
    assert set(made._buckets) == {"198.51.100.1"}


@pytest.mark.parametrize(
    ("setting", "same", "word"),
    [
        ("STREAM_MAX_PER_USER", {"user": "u1"}, "user"),
        ("STREAM_MAX_PER_ORG", {"org": "o1"}, "org"),
        ("STREAM_MAX_PER_ADDRESS", {"address": "192.0.2.1"}, "address"),
    ],
)
def test_the_one_beyond_the_limit_is_refused_and_takes_no_place(
    limits: Callable[..., Limits], setting: str, same: dict[str, str], word: str
) -> None:
    made = limits(**{setting: 2})
    wanted = [{"user": f"u{n}", "org": f"o{n}", "address": f"192.0.2.{n}"} | same for n in range(1, 5)]
    held = [made.take(**wanted[0]), made.take(**wanted[1])]
    before = dict(made._open)
    refusal = refused(lambda: made.take(**wanted[2]))
    assert (refusal.status, refusal.code, refusal.temporary) == (429, "too-many-connections", True)
    assert refusal.message.startswith(f"This {word} has 2 streams open")
    assert 5 <= int(refusal.headers["Retry-After"]) <= 10
    assert dict(made._open) == before
    assert made.total == 2
    made.give_back(held[0])
    held[0] = made.take(**wanted[3])
    refused(lambda: made.take(**wanted[2]))
    for places in held:
        made.give_back(places)
    assert (made.total, dict(made._open)) == (0, {})


def test_zero_means_none(limits: Callable[..., Limits]) -> None:
    names = ("STREAM_MAX_PER_USER", "STREAM_MAX_PER_ORG", "STREAM_MAX_PER_ADDRESS", "STREAM_CONNECTS_PER_SECOND")
    made = limits(STREAM_MAX_PER_PROCESS=0, **dict.fromkeys(names, 0))
    for _ in range(3000):
        made.connecting("192.0.2.1")
        made.check_process()
        made.take(user="u", org="o", address="192.0.2.1")


def test_a_full_process_says_so(limits: Callable[..., Limits]) -> None:
    made = limits(STREAM_MAX_PER_PROCESS=2)
    made.take(user="a", org="o", address="")
    made.check_process()
    made.take(user="b", org="o", address="")
    refusal = refused(made.check_process)
    assert (refusal.status, refusal.code, refusal.temporary) == (503, "stream-unavailable", True)


def test_those_who_were_refused_together_do_not_come_back_together() -> None:
    assert len({retry_after(20)["Retry-After"] for _ in range(200)}) > 10


async def test_the_stream_beyond_the_limit_is_refused_and_nobody_is_evicted(world: World) -> None:
    world.configure(STREAM_MAX_PER_USER=3)
    visitor = await world.visitor()
    wires = [await world.open(visitor) for _ in range(3)]
    refusal = await world.wire(visitor=visitor).answered()
    assert (refusal.status, refusal.error["code"]) == (429, "too-many-connections")
    assert int(refusal.headers["retry-after"]) >= 5
    await wires[0].leave()
    wires[0] = await world.open(visitor)
    await world.note(visitor.org, 1)
    for wire in wires:
        await wire.events(1)


async def test_a_refused_opening_gives_its_place_back(world: World) -> None:
    world.configure(STREAM_MAX_PER_USER=1)
    visitor = await world.visitor(rights=None)
    for _ in range(3):
        assert (await world.wire(visitor=visitor).answered()).status == 403
    assert world.process.limits.total == 0
    assert not world.process.limits._open
