"""What can be done to projects: each function one intention, recorded with who acted.

`by` is the acting user's id. A step that the status does not allow raises `ValidationError` with the key `status`, and
writes and announces nothing. Who may act is decided before, by whoever calls.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from redline.projects.models import Project, ProjectMembership, Status
from redline.workspaces.acting import acting


def create(org_id: str, *, name: str, by: str) -> Project:
    """Begin a project; whoever does is its first member."""
    with acting(by), transaction.atomic():
        project = Project(org_id=org_id, name=name, updated_by=by)
        project.full_clean(exclude=["org"])
        project.save()
        add_member(project, by)
    return project


def change(project: Project, *, by: str, **fields: Any) -> Project:
    """Change name, notes or status, whichever is given."""
    with acting(by), transaction.atomic():
        project.refresh_from_db(from_queryset=Project.objects.select_for_update(no_key=True))
        if "status" in fields and fields["status"] == project.status:
            raise ValidationError({"status": f"This project is {project.status} already."})
        for name, value in fields.items():
            setattr(project, name, value)
        project.full_clean(exclude=["org"])
        project.save(update_fields=list(fields))
    return project


def archive(project: Project, *, by: str, notes: str | None = None) -> Project:
    """Put it away, from wherever it is."""
    return change(project, by=by, status=Status.ARCHIVED, **_noted(notes))


def restore(project: Project, *, by: str, notes: str | None = None) -> Project:
    """Bring it back from the archive, to the status that it had."""
    with transaction.atomic():
        project.refresh_from_db(from_queryset=Project.objects.select_for_update(no_key=True))
        if project.status != Status.ARCHIVED:
            raise ValidationError({"status": f"This project is {project.status}, not archived."})
        return change(project, by=by, status=project.previous_status, **_noted(notes))


def _noted(notes: str | None) -> dict[str, str]:
    return {} if notes is None else {"notes": notes}


def add_member(project: Project, user_id: str) -> ProjectMembership:
    """Put a user on a project; one who is on it stays on it."""
    with transaction.atomic():
        return ProjectMembership.objects.get_or_create(project=project, user_id=user_id)[0]


def remove_member(project: Project, user_id: str) -> bool:
    """Take a user off a project; False for one who was not on it."""
    place = ProjectMembership.objects.filter(project=project, user_id=user_id).first()
    if place is None:
        return False
    place.delete()
    return True
