"""Redline's settings with the hub's pacing off: every wake fans out at once."""

from __future__ import annotations

from redline.settings import *  # noqa: F403
from redline.settings import STREAMING as PACED

STREAMING = {**PACED, "PACE_MIN": 0, "PACE_SHARE": 0}
