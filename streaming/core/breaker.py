"""Whether the channel layer may be called: the one state machine of a process that depends on nothing but being told.

    healthy ──failed──► degraded ──answered──► recovering ──recovered──► healthy
                         ▲    │                    │
                         └─failed (spared anew)────┘

Degraded, the layer is spared: nobody calls it but one trial, `spare` seconds after the last call that failed. An answer
does not make it healthy: what was missed meanwhile has to be fetched first. Whoever reports is told whether the state
has changed, so that a change is logged once.
"""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    RECOVERING = "recovering"


class Breaker:
    """Starts healthy; `now` is any clock that only goes forward, in seconds."""

    __slots__ = ("_spare", "state", "trial_at")

    def __init__(self, *, spare: float) -> None:
        self._spare = spare
        self.state = State.HEALTHY
        self.trial_at = 0.0
        """When a degraded layer may be tried again."""

    @property
    def closed(self) -> bool:
        """True where calls pass."""
        return self.state is not State.DEGRADED

    def may_try(self, now: float) -> bool:
        """Say whether a call is worth its time: always but while the layer is spared."""
        return self.closed or now >= self.trial_at

    def failed(self, now: float) -> bool:
        """Note a call that failed; one that was under way when the first failed does not spare the layer for longer."""
        if self.may_try(now):
            self.trial_at = now + self._spare
        return self._become(State.DEGRADED)

    def answered(self) -> bool:
        """Note that a trial came through."""
        return self.state is State.DEGRADED and self._become(State.RECOVERING)

    def recovered(self) -> bool:
        """Note that everything that was missed has been fetched."""
        return self.state is State.RECOVERING and self._become(State.HEALTHY)

    def _become(self, state: State) -> bool:
        changed = state is not self.state
        self.state = state
        return changed
