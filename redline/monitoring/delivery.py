"""Actions on their way out: queued, handed to the pipeline's `deliver`, then `delivered` or `failed` for good.

Delivered at least once: whoever delivers notes the attempt first, by a write that only one can make, and an action that
is still queued minutes later is taken up again by a scheduler. The receiver tells a repeat by its key, the action's id.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from redline.monitoring import outreach
from redline.monitoring.models import Action, ActionStatus, ChangeReport
from redline.monitoring.pipeline.deliver import Delivery, Message, deliver
from redline.monitoring.pipeline.policy import Route

logger = logging.getLogger("redline.delivery")

PATIENCE = timedelta(minutes=2)
"""Longer than one delivery with all its retries can take."""
MOST_ATTEMPTS = 3


def deliver_actions(actions: Iterable[Action], *, pause: Callable[[float], None] | None = None) -> None:
    """Deliver what is queued, one after the other."""
    for action in actions:
        if _take(action):
            route = Route(kind=action.kind, target=action.target)
            _settle(action, deliver(route, message(action), allow=outreach.allowed(), pause=pause or time.sleep))


def waiting(now: datetime, *, org: str | None = None) -> list[Action]:
    """Return the actions that their process has left queued; each attempt is given more time than the last."""
    rows = Action.objects.filter(status=ActionStatus.QUEUED, created_at__lt=now - PATIENCE).order_by("created_at")
    rows = rows if org is None else rows.filter(org=org)
    return [action for action in rows[:100] if action.created_at < now - PATIENCE * (action.attempts + 1)]


def message(action: Action) -> Message:
    """Say what happened, to somebody who has not seen the page."""
    report = action.report
    changes = list(report.changes.all())
    return Message(
        key=action.pk,
        severity=report.severity,
        headline=f"{report.vendor.name}: {report.headline}",
        text="\n".join([*(f"• {change.summary}" for change in changes), report.why, report.recommendation]),
        url=_source(report),
        details={
            "changeReportId": report.pk,
            "vendorId": report.vendor_id,
            "vendor": report.vendor.name,
            "changes": [{"category": change.category, "summary": change.summary} for change in changes],
        },
    )


def _source(report: ChangeReport) -> str:
    cited = (citation.get("url", "") for change in report.changes.all() for citation in change.citations)
    return next((url for url in cited if url), report.vendor.homepage_url)


def _take(action: Action) -> bool:
    """Note one more attempt; False where somebody else was first, or all attempts are used up."""
    if action.attempts >= MOST_ATTEMPTS:
        _settle(action, Delivery(status="failed", reason="The delivery was interrupted too often.", attempts=0))
        return False
    mine = Action.objects.filter(pk=action.pk, status=ActionStatus.QUEUED, attempts=action.attempts)
    return mine.unstreamed().update(attempts=F("attempts") + 1) == 1


def _settle(action: Action, outcome: Delivery) -> None:
    action.refresh_from_db()
    if action.status != ActionStatus.QUEUED:
        return
    action.status = outcome.status
    action.external_id = outcome.external_id[:255]
    action.reason = outcome.reason[:500]
    action.attempts = outcome.attempts or action.attempts
    action.delivered_at = timezone.now() if outcome.status == ActionStatus.DELIVERED else None
    action.save()
    if outcome.reason:
        logger.warning("not delivered: %s", outcome.reason, extra={"action": action.pk, "kind": action.kind})
