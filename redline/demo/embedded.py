"""The settings that only the demo has: set when it starts, in its own process.

The pipeline may talk to the vendors' server and to no other private address; mail goes to the demo's inbox unless
EMAIL_URL names a real server.
"""

from __future__ import annotations

import logging.config
import os

from django.conf import settings

CADENCE_SECONDS = 10.0
# The terminal shows where to go. Streams that open are for the logs of a real server; a page that is away and a
# channel that was archived belong to the story, which the board tells.
LEVELS = {"streaming": "WARNING", "redline": "WARNING", "redline.runner": "ERROR", "redline.delivery": "ERROR"}


def prepare(*, host_names: list[str]) -> None:
    """Set what does not depend on the vendors' server."""
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, *host_names]
    settings.SCHEDULER_CADENCE_SECONDS = CADENCE_SECONDS
    if not os.environ.get("EMAIL_URL", "").strip():
        settings.EMAIL_BACKEND = "redline.demo.mail.InboxBackend"
        settings.DEFAULT_FROM_EMAIL = "Redline <redline@acme.example>"
    # In the settings too: loading the ASGI application configures logging anew.
    settings.LOGGING = {**settings.LOGGING, "loggers": {name: {"level": level} for name, level in LEVELS.items()}}
    logging.config.dictConfig(settings.LOGGING)


def allow_fetching_from(host: str) -> None:
    """Let the pipeline talk to the vendors' server, `host:port`, and to nobody else who is private."""
    settings.REDLINE_FETCH_HOSTS = [host]
    settings.REDLINE_ALLOW_PRIVATE_FETCH = False
