"""The database of the log: what it promises has to hold when the power fails and when many come at once."""

from __future__ import annotations

import re
from typing import Any

from django.db import connections

from streaming import conf
from streaming.deployment.rule import Rule

PATIENCE = 5.0
"""The longest that a request should wait for a connection."""
OTHERS = 8
"""Connections besides BRIDGE_THREADS: the sequencer's, the watcher's, two for polls and snapshots, four for Django's
own requests, each of which holds one until its answer has been sent."""


def _settings() -> dict[str, Any]:
    return connections[conf.streaming.DATABASE].settings_dict


def _is(vendor: str) -> bool:
    return connections[conf.streaming.DATABASE].vendor == vendor


def _lacks_pragma(name: str, *values: str) -> bool:
    """Say whether SQLite's connections begin without this pragma at one of these values."""
    command = str(_settings()["OPTIONS"].get("init_command", ""))
    said = re.search(rf"\b{name}\s*=\s*['\"]?(\w+)", command, re.IGNORECASE)
    return _is("sqlite") and (said is None or said[1].upper() not in values)


def _pool(name: str, default: float) -> float:
    """Return an option of PostgreSQL's pool; the default where it is not said, or where there is no pool."""
    pool = _settings()["OPTIONS"].get("pool")
    return float(pool.get(name) or default) if isinstance(pool, dict) else default


def _has_pool() -> bool:
    return _is("postgresql") and bool(_settings()["OPTIONS"].get("pool"))


def _pool_size() -> float:
    return _pool("max_size", _pool("min_size", 4))


RULES = (
    Rule(
        "E017",
        lambda: _lacks_pragma("journal_mode", "WAL"),
        "SQLite without a write-ahead log lets readers and writers wait for each other.",
        'Put "PRAGMA journal_mode=WAL" into OPTIONS["init_command"].',
    ),
    Rule(
        "E018",
        lambda: _lacks_pragma("synchronous", "FULL", "EXTRA", "2", "3"),
        "SQLite may lose commits when the power fails, after clients were told of them.",
        'Put "PRAGMA synchronous=FULL" into OPTIONS["init_command"].',
    ),
    Rule(
        "E019",
        lambda: _is("postgresql") and _settings()["CONN_MAX_AGE"] != 0,
        "CONN_MAX_AGE leaves a connection with each thread that ever served, until there are none left.",
        "Leave CONN_MAX_AGE at 0 and use a pool.",
    ),
    Rule(
        "E020",
        lambda: bool(_settings()["ATOMIC_REQUESTS"]),
        "ATOMIC_REQUESTS holds events back, and on SQLite everybody, until a request is answered.",
        "Leave ATOMIC_REQUESTS off and use atomic() around what belongs together.",
    ),
    Rule(
        "E021",
        lambda: _is("postgresql") and not _has_pool(),
        "Without a pool every look at the log opens a connection to PostgreSQL.",
        'Set OPTIONS["pool"].',
    ),
    Rule(
        "E022",
        lambda: _has_pool() and _pool_size() < conf.streaming.BRIDGE_THREADS + OTHERS,
        "The pool is too small: streams need BRIDGE_THREADS and eight, four of their own and four for requests.",
        "Raise the pool's max_size, or lower STREAMING['BRIDGE_THREADS'].",
    ),
    Rule(
        "W023",
        lambda: _has_pool() and not _settings()["CONN_HEALTH_CHECKS"],
        "After a restart of PostgreSQL the pool hands out its dead connections, each for one failed request.",
        "Set CONN_HEALTH_CHECKS.",
    ),
    Rule(
        "W024",
        lambda: _has_pool() and _pool("timeout", 30) > PATIENCE,
        "While PostgreSQL is away, the pool keeps those who connect waiting instead of telling them.",
        "Give the pool a timeout of 2 and a reconnect_timeout of 3 seconds.",
    ),
)
