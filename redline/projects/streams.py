"""What projects tell the world: the workspace feed `GET /api/v1/events`, each event in an envelope.

Who is on a project sees it, owner and admin see all; a membership that is given or taken widens or narrows open
streams at once. Everything is about a project, and carries its id as a key; scopes narrow by keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import orjson

from redline.ids import is_id
from redline.projects import selectors
from redline.projects.models import Project, ProjectMembership
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

Lifecycle = Literal["draft", "active", "paused", "completed", "archived"]


class ProjectLifecycle(Event, type="project.lifecycle", nulls=True):
    project_id: str
    status: Lifecycle
    previous_status: Lifecycle | None
    updated_by: str | None
    archived_at: Instant | None
    archived_by: str | None
    notes: str | None


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
    """Narrow to one project; the foreign and the unknown are refused alike."""
    project = query.get("projectId", "")
    if not project:
        return Scope()
    if not is_id(project):
        raise Refused(400, "validation-failed", "projectId is not an id.")
    if not selectors.visible(org, rights).filter(pk=project).exists():
        raise forbidden()
    return Scope(within=frozenset({project}))


def latest_state(org: str, rights: Rights) -> Iterator[Event | Announcement]:
    """Yield each project as it is."""
    for project in selectors.visible(org, rights).order_by("pk").iterator():
        yield project_lifecycle(project)


workspace_feed = Stream(
    "workspace",
    path="api/v1/events",
    snapshot=latest_state,
    scope=scope_of,
    queries=frozenset({"projectId"}),
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
