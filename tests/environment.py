"""The environment that tests and the processes they start see: nothing of the developer's own.

Every variable that configures the project is dropped before Django reads its settings, so no test can touch
a database, Redis or mailbox that a shell happens to name. What a process needs is given to it by name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable

VARIABLES = frozenset(
    [
        "DATABASE_URL",
        "DATABASE_POOL_SIZE",
        "CHANNELS_URL",
        "CHANNELS_SENTINEL_MASTER",
        "CHANNELS_ENCRYPTION_KEYS",
        "CACHE_URL",
        "EMAIL_URL",
        "SECRET_KEY",
        "DEBUG",
        "ALLOWED_HOSTS",
        "HTTPS_ONLY",
        "HSTS_SECONDS",
        "CSRF_TRUSTED_ORIGINS",
        "TRUSTED_PROXIES",
        "SIMPLE_MODE",
        "JWT_SECRET",
        "JWT_JWKS_URL",
        "JWT_ISSUER",
        "JWT_AUDIENCE",
        "JWT_ORG_CLAIM",
        "ENABLE_EVENT_STREAM",
        "ENABLE_SSE_HUB",
        "METRICS_TOKEN",
        "INDEXER_WEBHOOK_SECRET",
        "REDLINE_ALLOW_PRIVATE_FETCH",
        "REDLINE_FETCH_HOSTS",
        "SCHEDULER_CADENCE_SECONDS",
        "PROMETHEUS_MULTIPROC_DIR",
        "WEB_CONCURRENCY",
    ]
)
PREFIXES = ("STREAM_", "EVENT_STREAM_")

# Long enough for HMAC, which warns below 32 bytes; set, so that no test run writes a key file.
SECRET_KEY = "a-key-for-tests-only-that-is-long-enough-for-hmac-sha-256"


def is_project_variable(name: str) -> bool:
    return name in VARIABLES or name.startswith(PREFIXES)


def isolate() -> None:
    """Drop every variable of the project from this process, and name the settings."""
    for name in [name for name in os.environ if is_project_variable(name)]:
        del os.environ[name]
    os.environ["SECRET_KEY"] = SECRET_KEY
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "redline.settings")


def for_child(extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Return the environment of a process under test: ours without the project's variables, plus `extra`.

    A value of None leaves a variable out.
    """
    child = {name: value for name, value in os.environ.items() if not is_project_variable(name)}
    wanted = {"SECRET_KEY": SECRET_KEY, "PYTHONUNBUFFERED": "1", **(extra or {})}
    child.update({name: value for name, value in wanted.items() if value is not None})
    return child
