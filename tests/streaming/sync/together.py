"""Functions that run at the same time, each in a thread with a database connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from django.db import connections


class Thread(threading.Thread):
    """Gives its connection back, and what it raised to whoever joins it."""

    def __init__(self, function: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._function = function
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._function()
        except BaseException as error:
            self._error = error
        finally:
            connections.close_all()

    def end(self, within: float = 60.0) -> None:
        self.join(within)
        if self._error is not None:
            raise self._error
        assert not self.is_alive(), f"not done within {within:g} s"


def together(functions: Iterable[Callable[[], object]], *, within: float = 60.0) -> None:
    threads = [Thread(function) for function in functions]
    for thread in threads:
        thread.end(within)


def elsewhere(function: Callable[[], object], *, within: float = 60.0) -> None:
    """Run a function to its end in another thread, so with another connection."""
    Thread(function).end(within)
