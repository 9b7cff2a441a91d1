"""One run: a vendor's real pages through fetch → diff → reason → classify → route → publish.

Promises: every run that ends well has all six stages, the last of them `publish`: completed with a report, or skipped
where no words changed. A page that cannot be fetched fails the run with its reason; what the other pages said is not
lost, because a page's version moves on only in the transaction that writes the report about it. The first version of a
page is the one that later ones are compared with. Whatever is slow happens between transactions, never inside one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import connection

from redline.monitoring import delivery, outreach, publishing
from redline.monitoring.models import PageVersion, Policy, Run, Stage, VendorPage
from redline.monitoring.pipeline import compare, text
from redline.monitoring.pipeline.classify import classify
from redline.monitoring.pipeline.compare import Change
from redline.monitoring.pipeline.document import Block, Document
from redline.monitoring.pipeline.errors import FetchError
from redline.monitoring.pipeline.fetch import Fetched, fetch
from redline.monitoring.pipeline.finding import Finding
from redline.monitoring.pipeline.policy import PolicyRule, Route, Verdict, severity
from redline.monitoring.pipeline.reason import reason
from redline.monitoring.publishing import Outcome, Reading
from redline.monitoring.records import Abandoned, Record, StageFailed

logger = logging.getLogger("redline.runner")

MIDDLE = (Stage.REASON, Stage.CLASSIFY, Stage.ROUTE)


def run_vendor(run: Run, *, pause: Callable[[float], None] | None = None) -> Run:
    """Execute a run that was claimed, and deliver what it leads to. Never raises: what went wrong is in its record."""
    record = Record(run)
    try:
        report = _through_the_stages(record)
    except StageFailed as failed:
        logger.info("run failed: %s", failed, extra={"run": run.pk, "vendor": run.vendor_id})
        return run
    except Abandoned:
        logger.info("run was given up", extra={"run": run.pk, "vendor": run.vendor_id})
        return run
    except Exception:
        # Recorded as a failed stage by the record, unless the database is what failed: then it goes stale.
        logger.exception("run broke", extra={"run": run.pk, "vendor": run.vendor_id})
        return run
    if report is not None:
        delivery.deliver_actions(report.actions.all(), pause=pause)
    return run


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """A page whose words differ from the version before."""

    reading: Reading
    before: PageVersion
    changes: Sequence[Change]


def _through_the_stages(record: Record) -> publishing.ChangeReport | None:
    with record.stage(Stage.FETCH):
        readings = _fetched(list(record.run.vendor.pages.all()))
    with record.stage(Stage.DIFF):
        differences = [found for reading in readings if (found := _difference(reading))]
    if not differences:
        publishing.publish_nothing(record, readings, skipped=(*MIDDLE, Stage.PUBLISH))
        return None
    with record.stage(Stage.REASON):
        reasoned = [(found.reading, _reasons(found)) for found in differences]
    with record.stage(Stage.CLASSIFY):
        findings = [
            (reading.page, finding)
            for reading, told in reasoned
            for finding in classify(told, page_kind=reading.page.kind)
        ]
    with record.stage(Stage.ROUTE):
        verdict = _verdict(record.run, [finding for _, finding in findings])
    with record.stage(Stage.PUBLISH) as stage:
        outcome = Outcome(verdict=verdict, findings=findings)
        return publishing.publish(record, stage, readings, outcome, changed={d.reading.page.pk for d in differences})


def _fetched(pages: Sequence[VendorPage]) -> list[Reading]:
    """Fetch every page; one after the other, as they are mostly on one host and nobody's guest likes a crowd."""
    readings, failures = [], []
    for page in pages:
        try:
            readings.append(_read(page))
        except FetchError as error:
            failures.append(f"{page.url}: {error.reason}")
    if failures:
        raise StageFailed("; ".join(failures))
    return readings


def _read(page: VendorPage) -> Reading:
    has_version = page.versions.exists()
    _let_go()
    fetched = fetch(
        page.url,
        etag=page.etag if has_version else "",
        last_modified=page.last_modified if has_version else "",
        allow=outreach.allowed(),
    )
    return Reading(page=page, fetched=fetched, document=None if fetched.not_modified else _document(fetched))


def _let_go() -> None:
    """Give the thread's connection back: others may use it while we wait for a stranger's server."""
    if not connection.in_atomic_block:
        connection.close()


def _document(fetched: Fetched) -> Document:
    document = text.read(fetched.body, content_type=fetched.content_type)
    if not document.blocks:
        # A page that is drawn by a script only would otherwise read as "every clause was removed".
        raise FetchError("the page has no text")
    return document


def _difference(reading: Reading) -> _Difference | None:
    before = reading.page.versions.first()
    if reading.document is None or before is None:
        return None
    changes = compare.compare(_stored(before), reading.document)
    return _Difference(reading=reading, before=before, changes=changes) if changes else None


def _stored(version: PageVersion) -> Document:
    return Document(blocks=tuple(Block(section=section, text=words) for section, words in version.blocks))


def _reasons(found: _Difference) -> list[Finding]:
    return reason(
        found.changes,
        url=found.reading.page.url,
        fetched_at=found.reading.fetched.fetched_at,
        previous_fetched_at=found.before.fetched_at,
        page_kind=found.reading.page.kind,
    )


def _verdict(run: Run, findings: Sequence[Finding]) -> Verdict:
    active = Policy.objects.filter(org=run.org_id, is_active=True)
    return severity(findings, [rule(policy) for policy in active])


def rule(policy: Policy) -> PolicyRule:
    """Return a policy as the pipeline knows it."""
    routes = (Route(kind=route["kind"], target=str(route.get("target", ""))) for route in policy.routes)
    return PolicyRule(
        id=policy.pk,
        name=policy.name,
        severity=policy.severity,
        categories=frozenset(policy.categories),
        materiality=policy.materiality,
        keywords=tuple(map(str, policy.keywords)),
        routes=tuple(routes),
        recommendation=policy.recommendation,
    )
