"""The channel layer that CHANNELS_URL names: in this process, or in Redis by way of channels-redis.

    inmemory://                                  this process alone
    redis+pubsub://user:password@host:6379/0     the layer for production; rediss+pubsub:// over TLS
    redis+pubsub://one:6379,two:6379/0           several servers, which share the groups
    redis://… and rediss://…                     the core layer

With the name of a master the hosts are Sentinels, which are asked where it is. Time-outs are short, because nothing may
wait for the layer; the URL's own beat them (`?socket_timeout=2`).
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

import environ
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from redline.addresses import BadAddress
from streaming.redis import PlainConnection, SentinelConnection, SentinelTLSConnection, TLSConnection

CORE = "channels_redis.core.RedisChannelLayer"
BACKENDS: dict[str, str] = environ.Env.CHANNELS_SCHEMES
SENTINEL_PORT = 26_379

_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}
PATIENCE: dict[str, Any] = {
    "socket_connect_timeout": 1.0,
    "socket_timeout": 1.0,
    "socket_keepalive": True,
    # By these a subscriber notices that the server's host is gone. Not every system has all of them.
    "socket_keepalive_options": {
        getattr(socket, name): value for name, value in _KEEPALIVE.items() if hasattr(socket, name)
    },
}
SENTINEL: dict[str, Any] = {
    **PATIENCE,
    # A call of the layer may take 250 ms: in that time all three are to be asked, though two are away.
    "socket_connect_timeout": 0.1,
    "socket_timeout": 0.1,
    "retry": Retry(NoBackoff(), 0),
}
BLOCKING = 10.0
"""Seconds for the core layer, which waits 5 s in one call for a message: less, and every quiet moment is an error."""


def channel_layer(url: str, *, sentinel_master: str = "", encryption_keys: Sequence[str] = ()) -> dict[str, Any]:
    """Return the settings of the layer at `url`; messages are encrypted by the first key and read with any.

    Raises BadAddress where the URL names no layer.
    """
    target = urlsplit(url)
    backend = BACKENDS.get(target.scheme)
    if backend is None:
        raise BadAddress(f"use one of {', '.join(f'{scheme}://' for scheme in BACKENDS)}")
    if target.scheme == "inmemory":
        return {"BACKEND": backend}
    patience = PATIENCE | ({"socket_timeout": BLOCKING} if backend == CORE else {})
    servers = _servers(target)
    hosts = [_sentinel(servers, sentinel_master, patience)] if sentinel_master else [patience | one for one in servers]
    config: dict[str, Any] = {"hosts": hosts}
    if encryption_keys:
        config["symmetric_encryption_keys"] = list(encryption_keys)
    return {"BACKEND": backend, "CONFIG": config}


def _servers(target: SplitResult) -> list[dict[str, Any]]:
    """Return how to connect to each host; credentials, database and options are shared."""
    credentials, at, hosts = target.netloc.rpartition("@")
    scheme = target.scheme.partition("+")[0]
    connection = TLSConnection if scheme == "rediss" else PlainConnection
    found = []
    for host in hosts.split(","):
        parsed = parse_url(target._replace(scheme=scheme, netloc=f"{credentials}{at}{host}").geturl())
        if not parsed.get("host"):
            raise BadAddress("it names no host")
        found.append({**parsed, "connection_class": connection})
    return found


def _sentinel(servers: list[dict[str, Any]], master: str, patience: dict[str, Any]) -> dict[str, Any]:
    """Return the one host that Sentinels point to; credentials, database and options are those of the master."""
    tls = servers[0]["connection_class"] is TLSConnection
    own = {key: value for key, value in servers[0].items() if key not in ("host", "port")}
    return {
        **patience,
        **own,
        "connection_class": SentinelTLSConnection if tls else SentinelConnection,
        "master_name": master,
        "sentinels": [(one["host"], one.get("port", SENTINEL_PORT)) for one in servers],
        "sentinel_kwargs": {**SENTINEL, **({"ssl": True} if tls else {})},
    }
