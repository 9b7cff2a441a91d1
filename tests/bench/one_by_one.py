"""Redline's settings with nothing joined: no pacing, and a write of its own for every event."""

from __future__ import annotations

from redline.settings import *  # noqa: F403
from redline.settings import STREAMING as PACED

STREAMING = {**PACED, "PACE_MIN": 0, "PACE_SHARE": 0, "WRITE_BYTES": 1}
