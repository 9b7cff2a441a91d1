"""Projects of an org and who is on them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, router, transaction
from django.utils import timezone

from redline.ids import PublicIdField
from redline.workspaces.acting import actor_id
from redline.workspaces.models import Org, User
from streaming import StreamedModel


class Status(models.TextChoices):
    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    ARCHIVED = "archived"


TRANSITIONS: dict[str, frozenset[str]] = {
    Status.DRAFT: frozenset({Status.ACTIVE, Status.ARCHIVED}),
    Status.ACTIVE: frozenset({Status.PAUSED, Status.COMPLETED, Status.ARCHIVED}),
    Status.PAUSED: frozenset({Status.ACTIVE, Status.COMPLETED, Status.ARCHIVED}),
    Status.COMPLETED: frozenset({Status.ARCHIVED}),
    Status.ARCHIVED: frozenset(),
}
"""Where a project may go from each status; from the archive only back to where it was."""


class Project(StreamedModel):
    """What a team works on. Whoever saves it with another status is recorded with it, by the same rules everywhere."""

    id = PublicIdField("prj")
    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="projects")
    name = models.CharField(max_length=120)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    previous_status = models.CharField(max_length=10, choices=Status.choices, null=True, blank=True, editable=False)
    notes = models.TextField(blank=True)
    updated_by = models.CharField(max_length=64, editable=False, help_text="The id of who changed its status last.")
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    archived_by = models.CharField(max_length=64, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(StreamedModel.Meta):
        indexes = [models.Index(fields=["org", "name"], name="projects_by_name")]
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a transition that is not allowed, as a form error."""
        super().clean()
        check_transition(*stored_status(type(self).objects.filter(pk=self.pk)), self.status)

    def save(self, *args: Any, using: str | None = None, **kwargs: Any) -> None:
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using, savepoint=False):
            rows = type(self).objects.using(using).select_for_update(no_key=True)
            was, before = stored_status(rows.filter(pk=self.pk))
            written = kwargs.get("update_fields")
            if (written is None or "status" in written) and was != self.status:
                check_transition(was, before, self.status)
                self._record(was)
                if written is not None:
                    kwargs["update_fields"] = {*written, *RECORDED}
            super().save(*args, using=using, **kwargs)

    def _record(self, was: str | None) -> None:
        is_archived = self.status == Status.ARCHIVED
        self.previous_status, self.updated_by = was, actor_id()
        self.archived_at = timezone.now() if is_archived else None
        self.archived_by = self.updated_by if is_archived else None


RECORDED = ("previous_status", "updated_by", "archived_at", "archived_by")


def stored_status(rows: models.QuerySet[Project]) -> tuple[str | None, str | None]:
    """Return the status of a project as the database has it, and the one before."""
    return rows.values_list("status", "previous_status").first() or (None, None)


def check_transition(was: str | None, before: str | None, to: str) -> None:
    """Raise `ValidationError` unless a project in status `was` (None: not saved yet) may become `to`.

    What is archived goes back to the status that it had `before`, and nowhere else.
    """
    if was is None and to == Status.ARCHIVED:
        raise ValidationError({"status": "A project is begun before it is archived."})
    if was is None or was == to:
        return
    allowed = {before} if was == Status.ARCHIVED else TRANSITIONS[was]
    if to not in allowed:
        names = ", ".join(sorted(filter(None, allowed)))
        raise ValidationError({"status": f"A project that is {was} cannot become {to}; it can become {names}."})


class ProjectMembership(StreamedModel):
    """A user's place on a project; open streams follow each change of it. Owner and admin need none."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="project_memberships")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(StreamedModel.Meta):
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="projects_one_membership")]
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return f"{self.user} on {self.project}"

    @property
    def org_id(self) -> str:
        return str(self.project.org_id)


class Document(StreamedModel):
    """A text of a project, made of sections."""

    id = PublicIdField("doc")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="documents")
    title = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(StreamedModel.Meta):
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.title

    @property
    def org_id(self) -> str:
        return str(self.project.org_id)

    @property
    def keys(self) -> tuple[str, str]:
        """What it belongs to, itself included: whose rights see it, and which scopes hold it."""
        return str(self.project_id), str(self.pk)


class ConflictState(models.TextChoices):
    CLEAN = "clean"
    REBASE_REQUIRED = "rebase_required"
    BLOCKED = "blocked"


class Section(StreamedModel):
    """A part of a document: its approved text, and whether what is being drafted for it agrees with it."""

    id = PublicIdField("sec")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="sections")
    heading = models.CharField(max_length=200)
    text = models.TextField(blank=True, help_text="The approved text.")
    approved_version = models.PositiveIntegerField(default=1, editable=False)
    draft_version = models.PositiveIntegerField(default=0, editable=False, help_text="The newest draft's; 0 for none.")
    conflict_state = models.CharField(
        max_length=16, choices=ConflictState.choices, default=ConflictState.CLEAN, editable=False
    )
    conflict_reason = models.CharField(max_length=300, null=True, blank=True, editable=False)
    detected_at = models.DateTimeField(null=True, blank=True, editable=False)
    detected_by = models.CharField(max_length=64, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(StreamedModel.Meta):
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.heading

    @property
    def org_id(self) -> str:
        return self.document.org_id

    @property
    def keys(self) -> tuple[str, str, str]:
        return (*self.document.keys, str(self.pk))


class ApprovedText(models.Model):
    """A section's text as it was approved once: what drafts were begun from."""

    section = models.ForeignKey(Section, on_delete=models.CASCADE, related_name="approved")
    version = models.PositiveIntegerField()
    text = models.TextField(blank=True)
    by = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["section", "version"], name="projects_one_text_a_version")]
        ordering = ["version"]

    def __str__(self) -> str:
        return f"{self.section}, version {self.version}"


class SectionDraft(StreamedModel):
    """What one author would have a section say; based on the version that he saw."""

    section = models.ForeignKey(Section, on_delete=models.CASCADE, related_name="drafts")
    author = models.ForeignKey(User, on_delete=models.CASCADE, related_name="section_drafts")
    version = models.PositiveIntegerField()
    base_version = models.PositiveIntegerField()
    text = models.TextField(blank=True)
    rejected = models.JSONField(default=list, help_text="What of it found no place in the last rebase, as steps.")
    saved_at = models.DateTimeField(default=timezone.now)

    class Meta(StreamedModel.Meta):
        constraints = [models.UniqueConstraint(fields=["section", "author"], name="projects_one_draft_an_author")]
        ordering = ["-version"]

    def __str__(self) -> str:
        return f"{self.section}, draft {self.version}"

    @property
    def org_id(self) -> str:
        return self.section.org_id


class ConflictStep(models.Model):
    """A step in the history of a section's conflicts."""

    section = models.ForeignKey(Section, on_delete=models.CASCADE, related_name="conflict_steps")
    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=64)
    state = models.CharField(max_length=16, choices=ConflictState.choices)
    reason = models.CharField(max_length=300, null=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.section}: {self.state}"
