"""The project's settings with sessions kept elsewhere: DJANGO_SETTINGS_MODULE=tests.acceptance.sessions."""

from __future__ import annotations

import os

from redline.settings import *  # noqa: F403

SESSION_ENGINE = f"django.contrib.sessions.backends.{os.environ['KEEP_SESSIONS_IN']}"
