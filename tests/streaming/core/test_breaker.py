from __future__ import annotations

from collections.abc import Callable

import pytest

from streaming.core.breaker import Breaker, State

H, D, R = State.HEALTHY, State.DEGRADED, State.RECOVERING

SPARE = 5.0


def breaker_in(state: State) -> Breaker:
    breaker = Breaker(spare=SPARE)
    if state is not H:
        breaker.failed(100.0)
    if state is R:
        breaker.answered()
    assert breaker.state is state
    return breaker


@pytest.mark.parametrize(
    ("state", "event", "after"),
    [
        (H, "failed", D),
        (H, "answered", H),
        (H, "recovered", H),
        (D, "failed", D),
        (D, "answered", R),
        (D, "recovered", D),
        (R, "failed", D),
        (R, "answered", R),
        (R, "recovered", H),
    ],
)
def test_every_event_in_every_state_and_whether_it_was_a_change(state: State, event: str, after: State) -> None:
    breaker = breaker_in(state)
    told: Callable[..., bool] = getattr(breaker, event)
    changed = told(101.0) if event == "failed" else told()
    assert (breaker.state, changed) == (after, after is not state)


@pytest.mark.parametrize(("state", "closed"), [(H, True), (D, False), (R, True)])
def test_calls_pass_but_where_it_is_degraded(state: State, closed: bool) -> None:
    assert breaker_in(state).closed is closed


def test_a_degraded_layer_is_spared_and_then_tried_once_per_period() -> None:
    breaker = breaker_in(D)
    assert [breaker.may_try(now) for now in (100.0, 104.9, 105.0)] == [False, False, True]
    breaker.failed(105.0)
    assert [breaker.may_try(now) for now in (105.0, 109.9, 110.0)] == [False, False, True]


def test_calls_that_were_under_way_do_not_put_the_trial_off() -> None:
    breaker = breaker_in(D)
    for now in (100.1, 103.0, 104.9):
        breaker.failed(now)
    assert breaker.trial_at == 105.0


def test_a_failure_while_it_recovers_spares_it_for_the_whole_time() -> None:
    breaker = breaker_in(R)
    breaker.failed(200.0)
    assert not breaker.may_try(204.9)
    assert breaker.may_try(205.0)


@pytest.mark.parametrize("state", [H, R])
def test_a_layer_that_is_not_spared_may_always_be_called(state: State) -> None:
    assert breaker_in(state).may_try(0.0)
