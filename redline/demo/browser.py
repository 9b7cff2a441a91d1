"""Opens the board in a browser, where there is somebody to look at it."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from typing import TextIO


def may_open(terminal: TextIO) -> bool:
    """Whether somebody sits at a screen; without one, webbrowser would start a text browser in the terminal."""
    if not terminal.isatty():
        return False
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_soon(url: str) -> None:
    """Open without waiting: some browsers return only when they are closed."""
    threading.Thread(target=webbrowser.open, args=(url,), name="demo-browser", daemon=True).start()
