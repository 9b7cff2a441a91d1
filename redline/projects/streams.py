"""What projects tell the world: the workspace feed `GET /api/v1/events`, each event in an envelope.

Who is on a project sees it, owner and admin see all; a membership that is given or taken widens or narrows open
streams at once. Every event has as keys the ids of what it belongs to; rights are keys of projects, scopes narrow by
any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import orjson
from django.db.models import QuerySet
from django.utils import timezone
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from redline.ids import is_id
from redline.projects import drafts, selectors
from redline.projects.models import Project, ProjectMembership, Section, SectionDraft
from redline.workspaces import selectors as people
from streaming import (
    Announcement,
    Event,
    Instant,
    Refused,
    Rights,
    Scope,
    Stream,
    Told,
    forbidden,
    grants,
    iso_instant,
)

grants(ProjectMembership)
grants(ProjectMembership, org=lambda place: people.sandbox_id(place.org_id))

Lifecycle = Literal["draft", "active", "paused", "completed", "archived"]


class ProjectLifecycle(Event, type="project.lifecycle", nulls=True):
    project_id: str
    status: Lifecycle
    previous_status: Lifecycle | None
    updated_by: str | None
    archived_at: Instant | None
    archived_by: str | None
    notes: str | None


class Step(BaseModel):
    """A stretch of a difference: `equal` and `insert` together are the draft, `equal` and `delete` what is approved."""

    op: Literal["equal", "insert", "delete"]
    text: str


class SectionDiff(Event, type="section.diff", nulls=True):
    section_id: str
    document_id: str
    diff: tuple[Step, ...]
    draft_version: int
    approved_version: int
    generated_at: Instant


Conflict = Literal["clean", "rebase_required", "blocked"]


class Moment(BaseModel):
    """A step in the history of a section's conflicts."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)

    at: Instant
    by: str
    conflict_state: Conflict
    reason: str | None


class SectionConflict(Event, type="section.conflict", nulls=True):
    section_id: str
    document_id: str
    conflict_state: Conflict
    conflict_reason: str | None
    detected_at: Instant | None
    detected_by: str | None
    events: tuple[Moment, ...]


def wrapped(told: Told) -> bytes:
    """Return the envelope of the workspace feed."""
    envelope = {
        "topic": told.type,
        "resourceId": told.resource,
        "payload": orjson.Fragment(told.data),
        "sequence": told.sequence,
        "emittedAt": iso_instant(told.emitted_at),
        "kind": "snapshot" if told.is_snapshot else "event",
    }
    return orjson.dumps(envelope | ({"metadata": {"replayOf": told.replay_of}} if told.replay_of else {}))


def scope_of(org: str, path: Mapping[str, str], query: Mapping[str, str], rights: Rights) -> Scope:
    """Narrow to a project, a document, a section, or to what belongs to all that are named.

    The foreign and the unknown are refused alike; what excludes each other is nothing, and no mistake.
    """
    asked = {name: query[name] for name in SCOPES if name in query}
    for name, text in asked.items():
        if not is_id(text):
            raise Refused(400, "validation-failed", f"{name} is not an id.")
    for name, text in asked.items():
        rows, _ = SCOPES[name]
        if text not in rights.keys and not rows(org, rights).filter(pk=text).exists():
            raise forbidden()
    narrowed = [types for _, types in map(SCOPES.__getitem__, asked) if types is not None]
    return Scope(within=frozenset(asked.values()), types=frozenset.intersection(*narrowed) if narrowed else None)


MOST_STEPS = 50
"""How much of a conflict's history an event tells: the newest."""
OF_SECTIONS = frozenset({"section.diff", "section.conflict"})
SCOPES: dict[str, tuple[Callable[[str, Rights], QuerySet[Any]], frozenset[str] | None]] = {
    "projectId": (selectors.visible, None),
    "documentId": (selectors.visible_documents, OF_SECTIONS),
    "sectionId": (selectors.visible_sections, OF_SECTIONS),
}
"""By parameter: what may be named, and of which types a client gets events then."""


def latest_state(org: str, rights: Rights) -> Iterator[Event | Announcement]:
    """Yield each project as it is, and each section that has ever been drafted."""
    for project in selectors.visible(org, rights).order_by("pk").iterator():
        yield project_lifecycle(project)
    drafted = selectors.visible_sections(org, rights).filter(draft_version__gt=0).order_by("pk")
    for section in drafted.prefetch_related("drafts", "conflict_steps").iterator(chunk_size=100):
        yield section_diff(section)
        if section.detected_at is not None:
            yield section_conflict(section)


workspace_feed = Stream(
    "workspace",
    path="api/v1/events",
    snapshot=latest_state,
    scope=scope_of,
    queries=frozenset(SCOPES),
    envelope=wrapped,
    condenses=True,
    has_switch=True,
    summary="What happens on the org's projects, to those who are on them.",
)


@workspace_feed.on_save(Project, on_change=["status", "notes"])
def project_lifecycle(project: Project) -> ProjectLifecycle | Announcement:
    event = ProjectLifecycle(
        project_id=project.pk,
        status=project.status,
        previous_status=project.previous_status,
        updated_by=project.updated_by or None,
        archived_at=project.archived_at,
        archived_by=project.archived_by,
        notes=project.notes or None,
    )
    return event.about(project.pk, keys=[project.pk])


@workspace_feed.on_save(SectionDraft, on_change=["version", "text"])
def draft_saved(draft: SectionDraft) -> SectionDiff | Announcement:
    return _diff(draft.section, draft.text, draft.version)


@workspace_feed.on_delete(SectionDraft)
def draft_gone(draft: SectionDraft) -> SectionDiff | Announcement:
    """Approved or given up: what the newest of the others changes, or nothing any more."""
    return section_diff(draft.section)


def section_diff(section: Section) -> Announcement:
    """Return what the newest draft changes; nothing, where all have been approved or given up."""
    draft = max(section.drafts.all(), key=lambda one: one.version, default=None)
    if draft is None:
        return _diff(section, section.text, section.draft_version)
    return _diff(section, draft.text, draft.version)


def _diff(section: Section, text: str, version: int) -> Announcement:
    event = SectionDiff(
        section_id=section.pk,
        document_id=section.document_id,
        diff=tuple(Step(op=op, text=piece) for op, piece in drafts.difference(section.text, text)),
        draft_version=version,
        approved_version=section.approved_version,
        generated_at=timezone.now(),
    )
    return event.about(section.pk, keys=section.keys)


@workspace_feed.on_save(Section, on_change=["conflict_state", "conflict_reason"])
def conflict_judged(section: Section) -> SectionConflict | Announcement | None:
    return section_conflict(section) if section.detected_at is not None else None


def section_conflict(section: Section) -> Announcement:
    event = SectionConflict(
        section_id=section.pk,
        document_id=section.document_id,
        conflict_state=section.conflict_state,
        conflict_reason=section.conflict_reason,
        detected_at=section.detected_at,
        detected_by=section.detected_by,
        events=tuple(
            Moment(at=step.at, by=step.by, conflict_state=step.state, reason=step.reason)
            for step in list(section.conflict_steps.all())[-MOST_STEPS:]
        ),
    )
    return event.about(section.pk, keys=section.keys)
