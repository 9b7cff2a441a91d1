"""Redline's settings, but a client may be as far behind as it likes."""

from __future__ import annotations

from redline.settings import *  # noqa: F403
from redline.settings import STREAMING as USUAL

STREAMING = {**USUAL, "REPLAY_MAX": 1_000_000}
