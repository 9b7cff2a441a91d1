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

    Raises ValueError where the URL names no layer.
    """
    target = urlsplit(url)
    backend = BACKENDS.get(target.scheme)
    if backend is None:
        raise ValueError(f"use one of {', '.join(f'{scheme}://' for scheme in BACKENDS)}")
    if target.scheme == "inmemory":
        return {"BACKEND": backend}
    patience = PATIENCE | ({"socket_timeout": BLOCKING} if backend == CORE else {})
    addresses = _addresses(target)
    hosts = [{"address": address, **patience} for address in addresses]
    if sentinel_master:
        hosts = [_sentinel(addresses, sentinel_master, patience)]
    config: dict[str, Any] = {"hosts": hosts}
    if encryption_keys:
        config["symmetric_encryption_keys"] = list(encryption_keys)
    return {"BACKEND": backend, "CONFIG": config}


def _addresses(target: SplitResult) -> list[str]:
    """Return one URL for each host, with the credentials, database and options that they share."""
    credentials, at, hosts = target.netloc.rpartition("@")
    scheme = target.scheme.partition("+")[0]
    addresses = [
        target._replace(scheme=scheme, netloc=f"{credentials}{at}{host}").geturl() for host in hosts.split(",")
    ]
    for address in addresses:
        if not parse_url(address).get("host"):
            raise ValueError("it names no host")
    return addresses


def _sentinel(addresses: list[str], master: str, patience: dict[str, Any]) -> dict[str, Any]:
    """Return the one host that Sentinels point to; credentials and database are those of the master."""
    parsed = [dict(parse_url(address)) for address in addresses]
    own = {key: value for key, value in parsed[0].items() if key not in ("host", "port", "connection_class")}
    tls = {"ssl": True} if addresses[0].startswith("rediss:") else {}
    return {
        "master_name": master,
        "sentinels": [(one["host"], one.get("port", SENTINEL_PORT)) for one in parsed],
        "sentinel_kwargs": {**SENTINEL, **tls},
        **patience,
        **tls,
        **own,
    }
