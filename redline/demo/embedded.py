"""The settings that only the demo has: set when it starts, in its own process.

The pipeline may talk to the vendors' server and to no other private address; mail goes to the demo's inbox unless
EMAIL_URL names a real server.
"""

from __future__ import annotations

import logging
import os

from django.conf import settings

CADENCE_SECONDS = 10.0


def prepare(*, host_names: list[str]) -> None:
    """Set what does not depend on the vendors' server."""
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, *host_names]
    settings.SCHEDULER_CADENCE_SECONDS = CADENCE_SECONDS
    if not os.environ.get("EMAIL_URL", "").strip():
        settings.EMAIL_BACKEND = "redline.demo.mail.InboxBackend"
        settings.DEFAULT_FROM_EMAIL = "Redline <redline@acme.example>"
    for name in ("streaming", "redline"):
        # A demo's terminal shows where to go; each stream that opens is for the logs of a real server.
        logging.getLogger(name).setLevel(logging.WARNING)


def allow_fetching_from(host: str) -> None:
    """Let the pipeline talk to the vendors' server, `host:port`, and to nobody else who is private."""
    settings.REDLINE_FETCH_HOSTS = [host]
    settings.REDLINE_ALLOW_PRIVATE_FETCH = False
