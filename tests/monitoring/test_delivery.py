from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connections
from django.utils import timezone

from redline.monitoring import delivery
from redline.monitoring.models import Action, Change
from redline.workspaces.models import Org
from tests.monitoring.world import Site, events, last_event, make_report


def make_action(org: Org, **fields: Any) -> Action:
    report = make_report(org)
    Change.objects.create(report=report, category="data", materiality="material", summary="Ninety became thirty")
    return Action.objects.create(**{"org": org, "report": report, "kind": "jira", **fields})


def deliver(action: Action) -> Action:
    delivery.deliver_actions([action], pause=lambda _: None)
    return Action.objects.get(pk=action.pk)


def test_a_webhook_that_takes_it_makes_it_delivered(org: Org, site: Site) -> None:
    action = make_action(org, target=site.url("hook"))
    before = last_event()
    done = deliver(action)
    assert (done.status, done.external_id, done.attempts) == ("delivered", action.pk, 1)
    assert done.delivered_at is not None
    assert events(org, after=before) == [
        (
            "action.delivered",
            {
                "actionId": action.pk,
                "changeReportId": action.report_id,
                "kind": "jira",
                "status": "delivered",
                "externalId": action.pk,
            },
        )
    ]
    (sent,) = site.posted
    assert sent["key"] == action.pk
    assert "Ninety became thirty" in sent["text"]
    assert sent["details"]["changeReportId"] == action.report_id


def test_a_webhook_that_refuses_makes_it_failed_with_the_reason(org: Org, site: Site) -> None:
    site.status["hook"] = 404
    before = last_event()
    done = deliver(make_action(org, target=site.url("hook")))
    assert (done.status, done.delivered_at) == ("failed", None)
    assert "404" in done.reason
    ((_, queued), (_, failed)) = events(org, "action.delivered", after=before)
    assert queued["status"] == "queued"
    assert failed["status"] == "failed"
    assert "externalId" not in failed


def test_an_email_is_sent_by_the_configured_backend(org: Org) -> None:
    done = deliver(make_action(org, kind="email", target="legal@example.org"))
    (message,) = mail.outbox
    assert message.to == ["legal@example.org"]
    assert "Retention changed" in message.subject
    assert (done.status, done.external_id) == ("delivered", message.extra_headers["Message-ID"])


def test_a_private_target_that_was_not_allowed_is_not_called(org: Org, site: Site, settings: Any) -> None:
    settings.REDLINE_FETCH_HOSTS = []
    done = deliver(make_action(org, target=site.url("hook")))
    assert done.status == "failed"
    assert site.posted == []


def test_an_action_is_delivered_by_one_of_many_who_try(org: Org, site: Site) -> None:
    action = make_action(org, target=site.url("hook"))
    barrier = threading.Barrier(5)

    def attempt() -> None:
        mine = Action.objects.get(pk=action.pk)
        barrier.wait()
        delivery.deliver_actions([mine], pause=lambda _: None)
        connections.close_all()

    threads = [threading.Thread(target=attempt) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(site.posted) == 1


def test_what_was_settled_is_not_delivered_again(org: Org, site: Site) -> None:
    action = make_action(org, target=site.url("hook"))
    deliver(action)
    deliver(Action.objects.get(pk=action.pk))
    assert len(site.posted) == 1


@pytest.mark.parametrize(
    ("age", "attempts", "is_waiting"),
    [(1, 0, False), (3, 0, True), (3, 1, False), (5, 1, True), (5, 2, False), (9, 3, True)],
)
def test_what_stays_queued_is_taken_up_again_and_each_time_later(
    org: Org, age: int, attempts: int, is_waiting: bool
) -> None:
    now = timezone.now()
    action = make_action(org, created_at=now - timedelta(minutes=age), attempts=attempts)
    assert delivery.waiting(now) == ([action] if is_waiting else [])
    assert delivery.waiting(now, org="org_other") == []


def test_what_was_interrupted_three_times_fails(org: Org, site: Site) -> None:
    done = deliver(make_action(org, target=site.url("hook"), attempts=3))
    assert done.status == "failed"
    assert "interrupted" in done.reason
    assert site.posted == []
