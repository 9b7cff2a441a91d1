"""The settings of `streaming`: one `STREAMING` dict in the project's settings, typed defaults, read here only.

Times are seconds unless a name says otherwise; a limit of 0 means none. Read as `conf.streaming.RING_ENTRIES`.
An unknown key or a value of the wrong kind raises `ImproperlyConfigured` with one line that names it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its default."""

    ACCESS: str = "streaming.access.Access"
    """Dotted path of the class that says who belongs to which org and may see what."""
    AUTHENTICATION: tuple[str, ...] = (
        "streaming.jwt.BearerJwt",
        "streaming.authentication.BearerToken",
        "streaming.reconnect.ReconnectToken",
        "streaming.jwt.QueryJwt",
        "streaming.authentication.QueryToken",
        "streaming.tickets.QueryTicket",
        "streaming.authentication.SimpleUser",
        "streaming.authentication.SessionCookie",
    )
    """Kinds of credential in their order; the first one that is present decides."""
    DATABASE: str = "default"
    """The database alias in which the log lives, with the rows that it announces."""
    LAYER: str = "default"
    """The alias of the channel layer that carries pokes."""
    SIMPLE_MODE: bool = False
    """Trust the header `X-User-ID`; for trying things out on a laptop, refused by `check --deploy`."""
    JWT_SECRET: str = ""
    """Verifies JSON Web Tokens signed with HS256; at least 32 bytes."""
    JWT_JWKS_URL: str = ""
    """Where the issuer publishes the keys of those signed with RS256 and ES256."""
    JWT_ISSUER: str = ""
    JWT_AUDIENCE: str = ""
    """What `iss` and `aud` must be; without both, and a key, JSON Web Tokens are not taken."""
    JWT_ORG_CLAIM: str = ""
    """The claim that names the org, as `org_id` or, nested, `o.id`; without it the user's own is taken."""
    EVENT_STREAM_HEARTBEAT_INTERVAL_MS: int = 15_000
    """Upper end of the pause between heartbeats; the lower end is four fifths of it."""
    EVENT_MAX_BYTES: int = 65_536
    """The largest event on the wire; what is larger goes out thin."""
    REPLAY_MAX: int = 10_000
    """How many entries a client may be behind before it gets a snapshot instead."""
    EVENT_STREAM_REPLAY_LIMIT: int = 100
    """Of how many missed events of one type and resource a stream that condenses tells the newest alone, if of more."""
    RING_ENTRIES: int = 1_000
    RING_BYTES: int = 1 << 20
    RING_IDLE: float = 60.0
    """How long an org's ring is kept after its last session."""
    RINGS_MAX_BYTES: int = 256 << 20
    PAGE_ENTRIES: int = 500
    PAGE_BYTES: int = 1 << 20
    PAGES_KEPT: int = 16
    PAGE_READS: int = 4
    """Log pages that one process reads at the same time."""
    WRITE_BYTES: int = 65_536
    """The most that one write to one connection holds, a single larger event apart."""
    PACE_MIN: float = 0.001
    PACE_SHARE: float = 0.25
    """The least pause between two fan-outs of one org: so many seconds, and so much of the last one's cost."""
    HEADS_EVERY: float = 1.0
    HEADS_EVERY_DEGRADED: float = 0.5
    HEADS_EVERY_EMBEDDED: float = 0.2
    SWEEP_EVERY: float = 1.0
    DATABASE_TIMEOUT: float = 3.0
    """How long whoever connects, polls or asks the heads waits for the database before it counts as away."""
    LAYER_TIMEOUT: float = 0.25
    BREAKER_SECONDS: float = 5.0
    REJOIN_EVERY: float = 60.0
    RECHECK_EVERY: float = 5.0
    """How often the right of every open stream to go on is looked up, besides what the log tells at once.

    Stretched, to 8 s at most, where it would take more than a twentieth of the time.
    """
    SLOW_WRITE: float = 10.0
    """One write unfinished for so long ends the stream as `slow`."""
    SLOW_LAG: float = 60.0
    """A session that was live and has not caught up for so long ends as `slow`."""
    LIFE_MIN: float = 1_800.0
    LIFE_MAX: float = 3_600.0
    BRIDGE_THREADS: int = 4
    DRAIN_SPREAD: float = 5.0
    """Clients that are sent away by a shutdown come back spread over so many seconds."""
    DRAIN_LINGER: float = 1.0
    """How long a server that was told to end still answers, with 503, before it stops listening."""
    STREAM_MAX_PER_USER: int = 10
    STREAM_MAX_PER_ORG: int = 1_000
    STREAM_MAX_PER_ADDRESS: int = 200
    STREAM_CONNECTS_PER_SECOND: int = 100
    STREAM_MAX_PER_PROCESS: int = 10_000
    STREAM_ALLOWED_ORIGINS: tuple[str, ...] = ()
    STREAM_RETENTION_DAYS: float = 7.0
    RETENTION_ENTRIES: int = 10_000
    """So many entries of an org are kept whatever their age."""
    TRUSTED_PROXIES: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def _load() -> Settings:
    from django.conf import settings

    given: dict[str, Any] = dict(getattr(settings, "STREAMING", {}))
    kinds = {field.name: type(field.default) for field in fields(Settings)}
    for key, value in given.items():
        kind = kinds.get(key)
        if kind is None:
            raise ImproperlyConfigured(f"STREAMING has no setting {key!r}.")
        if (kind is float and type(value) is int) or (kind is tuple and isinstance(value, list)):
            given[key] = kind(value)
        elif type(value) is not kind:
            raise ImproperlyConfigured(f"STREAMING[{key!r}] must be {kind.__name__}, not {value!r}.")
        if kind in (int, float) and value < 0:
            raise ImproperlyConfigured(f"STREAMING[{key!r}] must not be negative, and is {value!r}.")
    return Settings(**given)


class _Lazy:
    """Reads the settings on first use, so that importing this module needs no configured project."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_load(), name)


def _forget(*, setting: str, **_: object) -> None:
    if setting == "STREAMING":
        _load.cache_clear()


setting_changed.connect(_forget, dispatch_uid="streaming.conf")

streaming: Settings = _Lazy()  # type: ignore[assignment]
