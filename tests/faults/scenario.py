"""What a scenario is: a coroutine function that takes a *run* and returns figures, known by its name.

A run is short or full. The short form cuts sizes and times, and is lenient where on a busy machine chance would judge
instead: in milliseconds, and in shares of few.
"""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import cached_property

import uvloop

from tests.faults.figures import Figure, Verdict


@dataclass(frozen=True, kw_only=True)
class Run:
    name: str
    seed: int
    full: bool = False
    minutes: float = 1.0
    """How long a soak lasts."""

    @cached_property
    def random(self) -> random.Random:
        return random.Random(f"{self.name}/{self.seed}")

    def size(self, short: int, full: int) -> int:
        return full if self.full else short


Scenario = Callable[[Run], Coroutine[None, None, Sequence[Figure]]]


def judged(scenario: Scenario, run: Run) -> Verdict:
    """Run a scenario to its end; an error in it is a figure that is not good."""
    begun = time.monotonic()
    try:
        figures = tuple(uvloop.run(scenario(run)))
    except Exception as error:
        traceback.print_exc()
        figures = (Figure(asked="it comes to its end", measured=repr(error), good=False),)
    return Verdict(scenario=run.name, seed=run.seed, seconds=time.monotonic() - begun, figures=figures)
