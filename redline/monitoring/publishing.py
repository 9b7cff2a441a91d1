"""The end of a run: report, changes, queued actions, the pages' new versions and the run's end, in one transaction.

A crash before it leaves everything as it was, and the next run finds the same changes again; after it nothing is left
but to deliver. Pages that were deleted or pointed elsewhere while the run was under way are left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import transaction

from redline.monitoring.models import (
    Action,
    Change,
    ChangeReport,
    PageVersion,
    RunStage,
    RunStatus,
    Stage,
    StageStatus,
    VendorPage,
)
from redline.monitoring.pipeline.document import Document
from redline.monitoring.pipeline.fetch import Fetched
from redline.monitoring.pipeline.finding import Finding
from redline.monitoring.pipeline.policy import Verdict
from redline.monitoring.records import Record

NOTHING_CHANGED = "No words changed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a page said; `document` is None where its validators said that it has not changed."""

    page: VendorPage
    fetched: Fetched
    document: Document | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run found: each finding with the page that it stands on, and the verdict on all of them."""

    verdict: Verdict
    findings: Sequence[tuple[VendorPage, Finding]]


def publish(
    record: Record, stage: RunStage, readings: Sequence[Reading], outcome: Outcome, *, changed: Collection[int]
) -> ChangeReport:
    """Write the report and end the run well. `changed` are the keys of the pages whose words differ."""
    with transaction.atomic():
        record.lock()
        kept = _advance(readings, changed)
        report = _report(record, outcome.verdict)
        Change.objects.bulk_create([_change(report, page, found, kept) for page, found in outcome.findings])
        Action.objects.bulk_create(
            [
                Action(org_id=report.org_id, report=report, kind=route.kind, target=route.target[:500])
                for route in outcome.verdict.routes
            ]
        )
        record.end(stage, StageStatus.COMPLETED)
        record.finish(RunStatus.COMPLETED)
    return report


def publish_nothing(record: Record, readings: Sequence[Reading], *, skipped: Sequence[Stage]) -> None:
    """End a run that found no change: first versions are kept, the rest of the stages skipped."""
    with transaction.atomic():
        record.lock()
        _advance(readings, ())
        record.skip(*skipped, reason=NOTHING_CHANGED)
        record.finish(RunStatus.COMPLETED)


def _advance(readings: Sequence[Reading], changed: Collection[int]) -> set[int]:
    """Move the pages on to what was read, and return the keys of those that are still there."""
    rows = VendorPage.objects.select_for_update(no_key=True).filter(pk__in=[reading.page.pk for reading in readings])
    current = {row.pk: row for row in rows}
    for reading in readings:
        row = current.get(reading.page.pk)
        if row is not None and row.url == reading.page.url:
            _move_on(row, reading, is_new=row.pk in changed or not row.versions.exists())
    return set(current)


def _move_on(row: VendorPage, reading: Reading, *, is_new: bool) -> None:
    fetched = reading.fetched
    row.fetched_at = fetched.fetched_at
    if reading.document is not None:
        # A 304 may carry no validators, or weaker ones: those of the last whole answer stay.
        row.etag, row.last_modified = _validator(fetched.etag, 255), _validator(fetched.last_modified, 64)
        if is_new:
            blocks = [[block.section, block.text] for block in reading.document.blocks]
            PageVersion.objects.create(page=row, blocks=blocks, fetched_at=fetched.fetched_at)
    row.save(update_fields=["fetched_at", "etag", "last_modified"])


def _validator(value: str, longest: int) -> str:
    """Return a validator that can be kept; one that was cut would never match."""
    return value if len(value) <= longest else ""


def _report(record: Record, verdict: Verdict) -> ChangeReport:
    return ChangeReport.objects.create(
        org_id=record.run.org_id,
        vendor_id=record.run.vendor_id,
        run=record.run,
        severity=verdict.severity,
        headline=shortened(verdict.headline, 200),
        why=verdict.why,
        recommendation=verdict.recommendation,
    )


def _change(report: ChangeReport, page: VendorPage, finding: Finding, kept: Collection[int]) -> Change:
    return Change(
        report=report,
        page_id=page.pk if page.pk in kept else None,
        category=finding.category,
        materiality=finding.materiality,
        section=shortened(finding.section, 300),
        summary=finding.summary,
        before=finding.before,
        after=finding.after,
        ops=[list(op) for op in finding.ops],
        citations=[dict(citation) for citation in finding.citations],
    )


def shortened(text: str, longest: int) -> str:
    """Return the text, cut at a word where it is too long for its column."""
    if len(text) <= longest:
        return text
    cut = text[: longest - 2]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut) + " …"
