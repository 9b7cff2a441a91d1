"""What the demo's receivers got: webhooks and mail, the newest fifty of each, in memory, to be looked at.

Promises: keeps no more than that, however long the demo runs. Refuses nothing: it is the vendors' server that answers.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

KEPT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One message as it came in; `to` is the receiver's path or the mail's address."""

    at: datetime
    to: str
    text: str


class Inbox:
    """Messages by kind: `hooks` or `mail`."""

    def __init__(self, *, now: Callable[[], datetime] = timezone.now) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._received: dict[str, deque[Received]] = {}

    def put(self, kind: str, *, to: str, text: str) -> None:
        message = Received(at=self._now(), to=to, text=text)
        with self._lock:
            self._received.setdefault(kind, deque(maxlen=KEPT)).appendleft(message)

    def latest(self, kind: str) -> list[Received]:
        """Return what came, the newest first."""
        with self._lock:
            return list(self._received.get(kind, ()))


inbox = Inbox()
"""The process's own: Django makes mail backends by itself, so there has to be one that they find."""
