"""The database that DATABASE_URL names, with the options that the log and the streams depend on.

SQLite takes its write lock when a transaction begins and keeps every commit over a crash. PostgreSQL is reached through
a pool that heals by itself: a connection is tried before it is handed out, a server that is away is noticed in seconds,
and it is asked for again soon, however long it was away.
"""

from __future__ import annotations

import warnings
from typing import Any

import environ

from redline.addresses import BadAddress

NETWORK = {
    "connect_timeout": 2,  # seconds, the least that libpq takes
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # ms; else a host that vanished would hold a query for a quarter of an hour
}
"""How a connection notices that the server's host is gone; the URL's own options beat these."""

POOL = {
    "min_size": 1,
    "timeout": 2.0,  # a request that finds no connection is refused, not kept waiting
    "reconnect_timeout": 3.0,  # with the usual 300 the pool would ask a server that is back after minutes only
}


def database(url: str, *, pool_size: int) -> dict[str, Any]:
    """Return the settings of the database at `url`; on PostgreSQL with a pool, unless its size is 0.

    Raises BadAddress where the URL names neither SQLite nor PostgreSQL.
    """
    with warnings.catch_warnings(action="ignore"):  # an unknown scheme is told below, in one line
        config: dict[str, Any] = dict(environ.Env.db_url_config(url))
    if config.get("ENGINE", "").endswith("sqlite3"):
        return {**config, **_sqlite(config["NAME"])}
    if config.get("ENGINE", "").endswith("postgresql") and config.get("NAME"):
        return {**config, **_postgresql(config, pool_size)}
    raise BadAddress("use sqlite:///file or postgres://user@host/name")


def _sqlite(name: str) -> dict[str, Any]:
    return {
        "OPTIONS": {
            # DEFERRED lost 183 of 240 read-then-write transactions to "database is locked", IMMEDIATE none.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;",
        },
        # The default in-memory test database has no WAL and answers other threads "table is locked".
        "TEST": {"NAME": f"{name}.test"},
    }


def _postgresql(config: dict[str, Any], pool_size: int) -> dict[str, Any]:
    options: dict[str, Any] = {**NETWORK, **config.get("OPTIONS", {})}
    if "pool" in options or config.get("CONN_MAX_AGE"):
        raise BadAddress("its connections are pooled; DATABASE_POOL_SIZE says how many, and 0 for no pool")
    if pool_size:
        options["pool"] = {**POOL, "max_size": pool_size}
    return {"OPTIONS": options, "CONN_HEALTH_CHECKS": bool(pool_size)}
