"""The writers' processes, as the laboratory holds them."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.acceptance.history import Write
from tests.acceptance.scene import read_write
from tests.environment import PYTHON
from tests.leftovers import directory
from tests.processes import Process


class Writing:
    """One writer's process, its journal in a file."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self._journal = Path(tempfile.mkstemp(prefix="journal-", dir=directory())[1])
        argv = [PYTHON, "-m", "tests.faults.writers", "--journal", str(self._journal), *argv]
        self._process = Process(argv, name="writer", env=env)
        self._process.spawn()

    def ready(self) -> None:
        self._process.wait_for_output("ready", within=30)

    def go(self) -> None:
        self._process.signal(signal.SIGUSR1)

    def stop(self) -> list[Write]:
        """Have it end after the transaction that is under way, and return its journal."""
        code = self._process.terminate(within=30)
        if code:
            raise RuntimeError(f"a writer ended with {code}:\n{self._process.tail()}")
        return [read_write(line) for line in self._journal.read_text().splitlines()]

    def kill(self) -> None:
        self._process.kill()


class Writers:
    """Several writers that run."""

    def __init__(self, running: Sequence[Writing], journal: Callable[[], list[Write]]) -> None:
        """`journal` returns the list that theirs are added to when they have ended."""
        self._running = running
        self._journal = journal

    async def ready(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(writing.ready) for writing in self._running))

    def go(self) -> None:
        """Let those begin that wait."""
        for writing in self._running:
            writing.go()

    async def stop(self) -> None:
        """End them, and take what they wrote into the history."""
        for writes in await asyncio.gather(*(asyncio.to_thread(writing.stop) for writing in self._running)):
            self._journal().extend(writes)

    def kill(self) -> None:
        """End those that a failed scenario has left."""
        for writing in self._running:
            writing.kill()
