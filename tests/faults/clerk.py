"""The acceptance tests' clerk in a process that may be bent."""

from __future__ import annotations

import itertools
import time

from tests.faults import bent

bent.set_up()

from django.db import transaction  # noqa: E402 - only after it was bent

from redline.monitoring.streams import ChangeDetected  # noqa: E402
from streaming.core.event import Announcement  # noqa: E402
from streaming.outbox import emit_many  # noqa: E402
from tests.acceptance.clerk import ACTS, serve  # noqa: E402


def pulse(orgs: list[str], count: int, rate: float, width: int = 0, together: int = 1) -> float:
    """Emit `count` events, `together` in a transaction and `rate` a second, to the orgs in turn.

    Each says when it was written, and is some `width` longer than it would be. Returns the rate that came of it.
    """
    begun = time.monotonic()
    for number, org in zip(range(0, count, together), itertools.cycle(orgs), strict=False):
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))
        with transaction.atomic():
            emit_many([(org, _stamped(one, width)) for one in range(number, min(number + together, count))])
    return count / (time.monotonic() - begun)


def _stamped(number: int, width: int) -> Announcement:
    vendor, headline = f"vnd_{time.monotonic_ns()}", str(number) + width * "x"
    event = ChangeDetected(change_report_id=f"chg_{number}", vendor_id=vendor, severity="P3", headline=headline)
    return event.about("")


if __name__ == "__main__":
    serve(*ACTS, pulse)
