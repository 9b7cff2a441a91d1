"""Waiting for something in a coroutine, never by the clock alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import TypeVar

C = TypeVar("C")


async def until(holds: Callable[[], bool], *, within: float, what: str, every: float = 0.05) -> float:
    """Wait until something holds, and return the seconds that it took; raise TimeoutError after `within`."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > within:
            raise TimeoutError(f"Not within {within:g} s: {what}.")
        await asyncio.sleep(every)
    return time.monotonic() - begun


async def until_all(clients: Collection[C], holds: Callable[[C], bool], *, within: float, what: str) -> float:
    """Wait until something is true of every client; how many are missing stands in the error."""
    try:
        return await until(lambda: all(map(holds, clients)), within=within, what=what)
    except TimeoutError as error:
        missing = sum(not holds(client) for client in clients)
        raise TimeoutError(f"{missing} of {len(clients)} clients: {error}") from None
