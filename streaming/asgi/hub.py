"""All orgs that this process serves: finds the one that is meant, hands it what came, lets go of the idle ones."""

from __future__ import annotations

from collections.abc import Mapping

from streaming import conf
from streaming.asgi.bridge import Bridge
from streaming.asgi.org import OrgHub
from streaming.asgi.pages import Pages
from streaming.core.cursor import Head
from streaming.core.entry import Batch


class Hub:
    """All orgs of this process."""

    def __init__(self, bridge: Bridge) -> None:
        self.orgs: dict[str, OrgHub] = {}
        self.pages = Pages(bridge)
        self._bridge = bridge

    def org(self, key: str) -> OrgHub:
        found = self.orgs.get(key)
        if found is None:
            found = self.orgs[key] = OrgHub(key, self._bridge, self.pages)
        return found

    def offer(self, batch: Batch) -> None:
        if batch.org in self.orgs:
            self.orgs[batch.org].offer(batch)

    def wake(self) -> None:
        """Have every reader of every org look."""
        for org in self.orgs.values():
            org.wake()

    def poked(self, org: str, head: int) -> None:
        if org in self.orgs:
            self.orgs[org].poked(head)

    def reached(self) -> dict[str, int]:
        return {
            key: org.ring.head.sequence if org.ring is not None else 0
            for key, org in self.orgs.items()
            if org.readers or org.ring is not None
        }

    def on_heads(self, reached: Mapping[str, int], heads: Mapping[str, Head]) -> None:
        for key, head in heads.items():
            if key in self.orgs:
                self.orgs[key].on_head(head, reached=reached[key])

    def drop_idle(self, now: float) -> list[str]:
        """Let go of orgs that nobody has read for a while, and beyond the memory limit the least used; returns them."""
        idle = sorted((org.idle_since, key) for key, org in self.orgs.items() if org.idle_since is not None)
        held = sum(org.ring.size for org in self.orgs.values() if org.ring is not None)
        dropped = []
        for since, key in idle:
            ring = self.orgs[key].ring
            if now - since >= conf.streaming.RING_IDLE or held > conf.streaming.RINGS_MAX_BYTES:
                held -= ring.size if ring is not None else 0
                self.orgs.pop(key).close()
                dropped.append(key)
        return dropped

    def close(self) -> None:
        self.pages.close()
        for org in self.orgs.values():
            org.close()
