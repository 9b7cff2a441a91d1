"""What this process would leave behind if it were killed: what it started, and its temporary directory.

Both are told to `tests/watchdog.py`, a process of its own session, as soon as they exist. Each process has its own
watchdog and directory, also after a fork.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.environment import ROOT


class _Watchdog:
    """This process's line to tests/watchdog.py, opened with the first thing to look after."""

    def __init__(self) -> None:
        self._pipe: subprocess.Popen[str] | None = None
        self._owner = 0

    def say(self, line: str) -> None:
        # After a fork the pipe belongs to the parent: the child opens its own.
        if self._pipe is None or self._owner != os.getpid():
            self._owner = os.getpid()
            self._pipe = subprocess.Popen(
                [sys.executable, "-I", "-S", str(ROOT / "tests" / "watchdog.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                text=True,
            )
        assert self._pipe.stdin is not None
        self._pipe.stdin.write(line + "\n")
        self._pipe.stdin.flush()

    def close(self) -> None:
        if self._pipe is not None and self._owner == os.getpid():
            self._pipe.communicate()
            self._pipe = None


watchdog = _Watchdog()
_directory: dict[int, Path] = {}


def directory() -> Path:
    """Return this process's temporary directory, made at the first call and removed with it."""
    if os.getpid() not in _directory:
        path = Path(tempfile.mkdtemp(prefix="redline-tests-"))
        path.chmod(0o711)  # the services run as another user and must reach what lies within
        watchdog.say(f"rm {path}")
        _directory[os.getpid()] = path
    return _directory[os.getpid()]


def clean_up() -> None:
    """Remove this process's temporary directory and end its watchdog."""
    path = _directory.pop(os.getpid(), None)
    if path is not None:
        shutil.rmtree(path, ignore_errors=True)
    watchdog.close()


def look_after(pid: int) -> None:
    """Have a process, which leads a group, ended with us."""
    # SIGQUIT ends PostgreSQL at once with its shared memory; the rest take it for an ordinary end.
    watchdog.say(f"+ {pid} {int(signal.SIGQUIT)}")


def forget(pid: int) -> None:
    watchdog.say(f"- {pid}")
