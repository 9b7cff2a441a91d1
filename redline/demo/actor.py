"""Somebody who works: takes changes on, sees them through, and now and then buys something or gives it back.

Acts as the demo's member, through the services, as a person at the board would. Promises: a change of state at least
once a minute while there is one to handle, and one of entitlements whatever there is. Refuses to be in the way: a
change is left alone until people have had time to be first, and for good once somebody else has moved it. What fails
is logged and tried again at the next turn.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError, connections
from django.db.models import Max, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from redline.demo import housekeeping
from redline.monitoring import services
from redline.monitoring.models import (
    ChangeReport,
    ChangeTransition,
    Entitlement,
    Resolution,
    Severity,
    State,
)
from redline.workspaces.acting import SYSTEM, acting

logger = logging.getLogger("redline.demo.actor")

PAUSE = 7.0
PAUSE_WHEN_MANY = 3.0
MANY = 10
"""With more open changes than this the actor works faster than new ones come, so that the list stays readable."""
HEAD_START = timedelta(seconds=15)
SNOOZE = timedelta(seconds=30)
ENTITLEMENT_EVERY = 4
SNOOZE_EVERY = 5
TIDY_EVERY = 20
"""In turns."""
RESOLUTIONS: dict[str, Resolution] = {
    Severity.P1: Resolution.RENEGOTIATED,
    Severity.P2: Resolution.ACCEPTED,
    Severity.P3: Resolution.NO_ACTION,
}


class Actor:
    """`step()` is one turn; `start()` takes turns in a thread until `stop()`."""

    def __init__(self, *, org_id: str, user_id: str, now: Callable[[], datetime] = timezone.now) -> None:
        self._org_id = org_id
        self._user_id = user_id
        self._now = now
        self._turns = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-actor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Ask for the end, without waiting."""
        self._stopping.set()

    def stop(self, timeout: float = 1.0) -> None:
        self.end()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def step(self) -> None:
        """Take one turn."""
        self._turns += 1
        if self._turns % TIDY_EVERY == 0:
            housekeeping.tidy(self._org_id, now=self._now())
        with acting(self._user_id):
            if self._turns % ENTITLEMENT_EVERY == 0:
                self._change_an_entitlement()
            else:
                self._move_a_change()

    def waiting(self) -> QuerySet[Any]:
        """Return the changes that are the actor's to handle, the one that has waited longest first."""
        others = ChangeTransition.objects.exclude(by__in=[self._user_id, SYSTEM]).values("report")
        reports: QuerySet[Any] = ChangeReport.objects.all()
        return (
            reports.filter(org=self._org_id, detected_at__lte=self._now() - HEAD_START)
            .exclude(state__in=[State.RESOLVED, State.SNOOZED])
            .exclude(pk__in=others)
            .annotate(moved_at=Coalesce(Max("transitions__at"), "detected_at"))
            .order_by("moved_at", "pk")
        )

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self._pause()):
                self.turn()
        finally:
            connections.close_all()

    def turn(self) -> None:
        """Take one turn, whatever comes of it."""
        try:
            self.step()
        except ValidationError:
            logger.debug("somebody else was faster")
        except DatabaseError as error:
            logger.warning("the demo's actor will try again: %s", error)
            connections.close_all()

    def _pause(self) -> float:
        try:
            return PAUSE_WHEN_MANY if self.waiting().count() > MANY else PAUSE
        except DatabaseError:
            return PAUSE

    def _move_a_change(self) -> None:
        report = self.waiting().first()
        if report is None:
            return
        if report.state == State.NEW and self._turns % SNOOZE_EVERY == 0:
            services.snooze(report, self._now() + SNOOZE, note="After the meeting.")
        elif report.state == State.NEW and report.severity != Severity.P3:
            services.acknowledge(report, note="Taking this one.")
        elif report.state == State.ACKNOWLEDGED:
            services.start(report)
        else:
            services.resolve(report, RESOLUTIONS[report.severity])

    def _change_an_entitlement(self) -> None:
        bought = Entitlement.objects.get(org=self._org_id)
        services.set_entitlement(self._org_id, auditor_portal=not bought.auditor_portal)
