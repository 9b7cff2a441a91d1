"""The project's settings with other values in `STREAMING`, for servers under test: DJANGO_SETTINGS_MODULE=tests.tuned.

What may differ is in the variable TUNED, as JSON; what an operator can set has a variable of its own.
"""

from __future__ import annotations

import json
import os

from redline.settings import *  # noqa: F403
from redline.settings import STREAMING

STREAMING = {**STREAMING, **json.loads(os.environ.get("TUNED", "{}"))}


def tuned(**settings: object) -> dict[str, str]:
    """Return the environment in which a server has these settings."""
    return {"DJANGO_SETTINGS_MODULE": "tests.tuned", "TUNED": json.dumps(settings)}
