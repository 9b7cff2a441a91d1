"""What mutants are made with: names, patches, and windows that are held open."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.backends.signals import connection_created

WINDOW = 0.02


@dataclass(frozen=True, kw_only=True)
class Mutant:
    breaks: str
    scenario: str
    caught_by: str
    break_it: Callable[[], None]


MUTANTS: dict[str, Mutant] = {}


def mutant(*, scenario: str, caught_by: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter a function under its name; its docstring says what it breaks."""

    def enter(break_it: Callable[[], None]) -> Callable[[], None]:
        name = break_it.__name__.replace("_", "-")
        breaks = (break_it.__doc__ or "").strip()
        MUTANTS[name] = Mutant(breaks=breaks, scenario=scenario, caught_by=caught_by, break_it=break_it)
        return break_it

    return enter


def put(owner: Any, name: str, value: object) -> None:
    """Replace what the project has by what it must not have."""
    if not hasattr(owner, name):
        raise AttributeError(f"{owner} has no {name} any more: this mutant is none.")
    setattr(owner, name, value)


def rewrite(old: str, new: str) -> None:
    """Have SQL changed on its way to the database; `old` is a pattern."""

    def changed(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        return execute(re.sub(old, new, sql), params, many, context)

    def wrap(**told: Any) -> None:
        wrappers = told["connection"].execute_wrappers
        if changed not in wrappers:
            wrappers.append(changed)

    connection_created.connect(wrap, weak=False)


def linger(module: Any, name: str) -> None:
    """Hold a function's beginning open."""
    real = getattr(module, name)

    def lingering(*args: Any, **kwargs: Any) -> Any:
        time.sleep(WINDOW)
        return real(*args, **kwargs)

    put(module, name, lingering)
