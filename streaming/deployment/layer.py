"""The channel layer: it is a hint, but one that should arrive."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.utils.module_loading import import_string

from streaming import conf
from streaming.deployment.rule import Rule, several_workers, workers

CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
IN_MEMORY = "channels.layers.InMemoryChannelLayer"
BLOCKING_SECONDS = 5
"""How long the core layer waits for a message in one call."""


def configuration() -> dict[str, Any]:
    """Return the CONFIG of the layer that carries pokes."""
    return dict(_layer().get("CONFIG", {}))


def _layer() -> dict[str, Any]:
    return dict(getattr(settings, "CHANNEL_LAYERS", {}).get(conf.streaming.LAYER, {}))


def _is(kind: str) -> bool:
    """Say whether the layer is of this class, or derived from it."""
    backend = _layer().get("BACKEND")
    family = import_string(backend).__mro__ if backend else ()
    return kind in {f"{one.__module__}.{one.__qualname__}" for one in family}


def _core_gives_up() -> bool:
    return _is(CORE) and any(map(_gives_up, configuration().get("hosts") or ["redis://localhost:6379"]))


def _gives_up(host: Any) -> bool:
    """Say whether a connection to a host ends before the layer's own wait does."""
    options = dict(host) if isinstance(host, dict) else {}
    address = options.get("address", host)
    query = parse_qs(urlsplit(address).query) if isinstance(address, str) else {}
    if "socket_timeout" in query:
        options["socket_timeout"] = float(query["socket_timeout"][0])
    if "socket_timeout" not in options:
        return _redis_version() >= 8  # from there on redis-py gives up after 5 s by itself
    return options["socket_timeout"] is not None and options["socket_timeout"] <= BLOCKING_SECONDS


def _redis_version() -> int:
    try:
        return int(version("redis").split(".")[0])
    except PackageNotFoundError:
        return 0


def _spins() -> bool:
    """Say whether the pub/sub layer has a connection that does not notice that its peer has vanished."""
    if not _is(PUBSUB):
        return False
    from streaming.redis import Noticing  # where there is this layer, there is redis-py

    return not all(
        isinstance(host, dict) and issubclass(host.get("connection_class", object), Noticing)
        for host in configuration().get("hosts") or [None]
    )


def _option(name: str, default: float) -> float:
    """Return one of the times and sizes that both layers know and the pub/sub layer does not."""
    return float(configuration().get(name, default)) if _is(CORE) or _is(IN_MEMORY) else default


_ONE_PROCESS = "Name a Redis for all, or set WEB_CONCURRENCY=1 where there is one process."

RULES = (
    Rule(
        "E012",
        _core_gives_up,
        "The core Redis layer waits 5 s for a message and its connection gives up before: every quiet stream fails.",
        "Use the pub/sub layer, or give each host a socket_timeout of 10; redis-py 8 gives up after 5 by default.",
    ),
    Rule(
        "E033",
        _spins,
        "When the host of Redis vanishes, the pub/sub layer spins and the whole process stands still.",
        "Give each of the layer's hosts a connection_class of streaming.redis.",
    ),
    Rule(
        "E013",
        lambda: _is(IN_MEMORY) and several_workers(),
        "The in-memory layer ends at its process: other workers find events only by asking the log.",
        _ONE_PROCESS,
    ),
    Rule(
        "W014",
        lambda: _is(IN_MEMORY) and workers() is None,
        "The in-memory layer is for one process, and how many serve is not known here.",
        _ONE_PROCESS,
    ),
    Rule(
        "E015",
        lambda: _option("group_expiry", 86_400) <= conf.streaming.REJOIN_EVERY,
        "The layer forgets who is in a group before the group is joined again.",
        "Give the layer a group_expiry well above STREAMING['REJOIN_EVERY']; its default is good.",
    ),
    Rule(
        "E016",
        lambda: min(_option("expiry", 60), _option("capacity", 100)) < 1,
        "The layer drops every message at once.",
        "Give the layer an expiry and a capacity of 1 or more; its defaults are good.",
    ),
)
