"""Ends what a killed test run left behind: a process that outlives the tests by seconds, never by hours.

It is told on its standard input what to look after (`+ pid signal`), what ended by itself (`- pid`) and which
directories are temporary (`rm path`). When the input ends, however the tests ended, it thaws and signals each
process, waits, kills its group and removes the directories. PR_SET_PDEATHSIG was rejected: it fires when the
*thread* that started a process ends, and exists on Linux only.

Runs as `python -I -S tests/watchdog.py`, so it imports the standard library alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

PATIENCE = 5.0


def main() -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    processes: dict[int, int] = {}
    directories: list[str] = []
    for line in sys.stdin:
        verb, _, rest = line.strip().partition(" ")
        if verb == "+":
            pid, number = rest.split()
            processes[int(pid)] = int(number)
        elif verb == "-":
            processes.pop(int(rest), None)
        elif verb == "rm":
            directories.append(rest)
    end(processes)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


def end(processes: dict[int, int]) -> None:
    for pid, number in processes.items():
        tell(pid, signal.SIGCONT)
        tell(pid, number)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and any(alive(pid) for pid in processes):
        time.sleep(0.05)
    for pid in processes:
        tell(pid, signal.SIGKILL)


def tell(pid: int, number: int) -> None:
    """Signal the group that `pid` leads."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
