"""One rule: what would be wrong, said in a sentence, and its remedy. E ends the check with 1, W is yours to judge.

The number of worker processes is taken from `WEB_CONCURRENCY`, as uvicorn takes it; where that is unset, nobody here
knows it. What a server is told on its command line cannot be seen from here at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from django.core import checks


class Rule(NamedTuple):
    id: str
    wrong: Callable[[], bool]
    sentence: str
    remedy: str

    def message(self) -> checks.CheckMessage:
        level = checks.Error if self.id.startswith("E") else checks.Warning
        return level(self.sentence, hint=self.remedy, id=f"streaming.{self.id}")


def workers() -> int | None:
    """Return how many processes serve, where the environment says so."""
    told = os.environ.get("WEB_CONCURRENCY", "")
    return int(told) if told.isdecimal() else None


def several_workers() -> bool:
    return (workers() or 1) > 1
