"""How many streams this process holds for whom: counted in places, given back exactly once.

A full place refuses the newcomer and never evicts anybody. 0 means no limit; loopback addresses are exempt from the
limits by address.
"""

from __future__ import annotations

import ipaddress
import random
from collections import Counter
from collections.abc import Callable

from streaming import conf
from streaming.core.errors import Refused

Place = tuple[str, str]


class Limits:
    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: Counter[Place] = Counter()
        self._buckets: dict[str, tuple[float, float]] = {}
        self.total = 0

    def connecting(self, address: str) -> None:
        """Count one attempt to connect; refuse beyond the rate."""
        rate = conf.streaming.STREAM_CONNECTS_PER_SECOND
        if not rate or is_loopback(address):
            return
        now = self._clock()
        tokens, at = self._buckets.get(address, (float(rate), now))
        tokens = min(float(rate), tokens + (now - at) * rate)
        if tokens < 1:
            raise Refused(
                429, "rate-limited", "Too many connects from this address.", headers=retry_after(1), temporary=True
            )
        self._buckets[address] = (tokens - 1, now)
        if len(self._buckets) > 10_000:
            self._forget(now)

    def check_process(self) -> None:
        """Refuse when the process is full."""
        limit = conf.streaming.STREAM_MAX_PER_PROCESS
        if limit and self.total >= limit:
            raise unavailable("This server is full; another one may not be.")

    def take(self, *, user: str, org: str, address: str) -> list[Place]:
        """Take a place of each kind, or refuse and take none."""
        self.check_process()  # again: many may have been admitted since
        wanted = [
            (("user", user), conf.streaming.STREAM_MAX_PER_USER),
            (("org", org), conf.streaming.STREAM_MAX_PER_ORG),
        ]
        if not is_loopback(address):
            wanted.append((("address", address), conf.streaming.STREAM_MAX_PER_ADDRESS))
        for place, limit in wanted:
            if limit and self._open[place] >= limit:
                raise Refused(
                    429,
                    "too-many-connections",
                    f"This {place[0]} has {limit} streams open already; close one.",
                    headers=retry_after(5),
                    temporary=True,
                )
        places = [place for place, _ in wanted]
        self._open.update(places)
        self.total += 1
        return places

    def give_back(self, places: list[Place]) -> None:
        """Give back what `take` returned; nothing where it was never reached."""
        if not places:
            return
        for place in places:
            self._open[place] -= 1
            if not self._open[place]:
                del self._open[place]
        self.total -= 1

    def _forget(self, now: float) -> None:
        """Drop buckets that have been full again for a while."""
        self._buckets = {address: one for address, one in self._buckets.items() if now - one[1] < 2}


def unavailable(message: str) -> Refused:
    return Refused(503, "stream-unavailable", message, headers=retry_after(3), temporary=True)


def retry_after(seconds: int) -> dict[str, str]:
    """Return the header with jitter, so that those who were refused together do not come back together."""
    return {"Retry-After": str(seconds + random.randint(0, seconds))}


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == ""
