"""The site: whom it believes, what its keys are worth, and what its processes share."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from django.conf import settings

from streaming import conf
from streaming.deployment import layer
from streaming.deployment.rule import Rule, several_workers, workers

KEY_BYTES = 32


def _anybody(network: str) -> bool:
    return network != "unix" and ipaddress.ip_network(network, strict=False).prefixlen == 0


def _short(keys: Iterable[str | bytes]) -> bool:
    """Say whether one of the keys that are set is short."""
    return any(0 < len(key.encode() if isinstance(key, str) else key) < KEY_BYTES for key in keys)


def _local_cache() -> bool:
    return str(settings.CACHES["default"]["BACKEND"]).endswith(".LocMemCache")


_LONG_KEY = "Use 32 random bytes or more."
_ONE_CACHE = "Name a cache for all in CACHES, or set WEB_CONCURRENCY=1 where there is one process."

RULES = (
    Rule(
        "E010",
        lambda: conf.streaming.SIMPLE_MODE,
        "SIMPLE_MODE lets anybody be any user.",
        "Unset SIMPLE_MODE.",
    ),
    Rule(
        "E011",
        lambda: bool(settings.DEBUG),
        "DEBUG shows settings and variables to whoever causes an error.",
        "Unset DEBUG.",
    ),
    Rule(
        "E025",
        lambda: "*" in settings.ALLOWED_HOSTS,
        "ALLOWED_HOSTS takes any name, so links can be made to point anywhere.",
        "Name the hosts of this site.",
    ),
    Rule(
        "E026",
        lambda: any("*" in one for one in (*conf.streaming.STREAM_ALLOWED_ORIGINS, *settings.CSRF_TRUSTED_ORIGINS)),
        "An origin with a wildcard lets pages that you do not know use your users' cookies.",
        "Name full origins in STREAM_ALLOWED_ORIGINS and CSRF_TRUSTED_ORIGINS.",
    ),
    Rule(
        "E027",
        lambda: any(map(_anybody, conf.streaming.TRUSTED_PROXIES)),
        "TRUSTED_PROXIES believes everybody, so anybody may claim any address.",
        "Name the networks of your proxies.",
    ),
    Rule(
        "E028",
        lambda: _short([settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]),
        "A SECRET_KEY, of now or of before, is short enough to be guessed, and it signs sessions.",
        _LONG_KEY,
    ),
    Rule(
        "E029",
        lambda: _short([conf.streaming.JWT_SECRET]),
        "JWT_SECRET is short enough to be guessed: whoever does may be any user.",
        _LONG_KEY,
    ),
    Rule(
        "E030",
        lambda: _short(layer.configuration().get("symmetric_encryption_keys") or ()),
        "A key of the channel layer's symmetric_encryption_keys is short enough to be guessed.",
        _LONG_KEY,
    ),
    Rule(
        "E031",
        lambda: _local_cache() and several_workers(),
        "The cache ends at its process: what one worker keeps in it, such as sessions, the others do not know.",
        _ONE_CACHE,
    ),
    Rule(
        "W032",
        lambda: _local_cache() and workers() is None,
        "The cache is for one process, and how many serve is not known here.",
        _ONE_CACHE,
    ),
)
