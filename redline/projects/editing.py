"""What can be done to documents, their sections and drafts; as in `services`, each function one intention.

Everything about a section happens under the lock of its row. A draft is *behind* when the approved text has moved on
since its author read it, and *blocked* while somebody else has a draft of the same section; either is recorded with
its reason, and so is the end of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from redline.projects import drafts, selectors
from redline.projects.models import (
    ApprovedText,
    ConflictState,
    ConflictStep,
    Document,
    Project,
    Section,
    SectionDraft,
)

CONFLICT_FIELDS = ("conflict_state", "conflict_reason", "detected_at", "detected_by")


def add_document(project: Project, *, title: str) -> Document:
    document = Document(project=project, title=title)
    document.full_clean(exclude=["project"])
    document.save()
    return document


def add_section(document: Document, *, heading: str, text: str, by: str) -> Section:
    """Add a section; its text is approved version 1."""
    section = Section(document=document, heading=heading, text=text)
    section.full_clean(exclude=["document"])
    with transaction.atomic():
        section.save()
        ApprovedText.objects.create(section=section, version=1, text=text, by=by)
    return section


def save_draft(
    section: Section, *, text: str, base_version: int, by: str, rejected: Sequence[drafts.Steps] = ()
) -> SectionDraft:
    """Keep what an author has written on top of an approved version, in place of what he had kept before."""
    with transaction.atomic():
        _lock(section)
        if not 1 <= base_version <= section.approved_version:
            raise ValidationError({"base_version": f"Versions 1 to {section.approved_version} have been approved."})
        section.draft_version += 1
        values = {"text": text, "base_version": base_version, "version": section.draft_version, "rejected": rejected}
        draft, _ = SectionDraft.objects.update_or_create(
            section=section, author_id=by, defaults=values | {"saved_at": timezone.now()}
        )
        section.save(update_fields=["draft_version"])
        _judge(section, by=by)
    return draft


def approve(section: Section, *, draft_version: int, by: str) -> Section:
    """Make a draft the approved text; a draft that is behind has to be rebased first."""
    with transaction.atomic():
        _lock(section)
        draft = section.drafts.filter(version=draft_version).first()
        if draft is None:
            raise ValidationError({"state": "There is no such draft of this section any more."})
        if draft.base_version != section.approved_version:
            reason = f"This draft was begun from version {draft.base_version}; rebase it first."
            raise ValidationError({"state": reason})
        section.approved_version += 1
        section.text = draft.text
        ApprovedText.objects.create(section=section, version=section.approved_version, text=draft.text, by=by)
        section.save(update_fields=["approved_version", "text"])
        draft.delete()  # which announces what is left to approve
        _judge(section, by=by)
    return section


def rebase(section: Section, *, by: str) -> SectionDraft:
    """Carry an author's draft over to the approved text: what can be applied is, what cannot is kept beside it."""
    with transaction.atomic():
        _lock(section)
        draft = own_draft(section, by)
        base = selectors.approved_text(section, draft.base_version)
        try:
            merged = drafts.merge(base, draft.text, section.text)
        except drafts.TooLong as error:
            raise ValidationError({"state": str(error)}) from None
        return save_draft(
            section, text=merged.text, base_version=section.approved_version, by=by, rejected=merged.rejected
        )


def discard(section: Section, *, by: str) -> None:
    """Give up an author's draft."""
    with transaction.atomic():
        _lock(section)
        own_draft(section, by).delete()
        _judge(section, by=by)


def own_draft(section: Section, author: str) -> SectionDraft:
    draft = section.drafts.filter(author=author).first()
    if draft is None:
        raise ValidationError({"state": "You have no draft of this section."})
    return draft


def _lock(section: Section) -> None:
    rows = Section.objects.select_related("document__project")
    section.refresh_from_db(from_queryset=rows.select_for_update(of=("self",), no_key=True))


def _judge(section: Section, *, by: str) -> None:
    """Compare all drafts with the approved text and each other, and record what has changed about it."""
    state, reason = _conflict(section)
    if (state, reason) == (section.conflict_state, section.conflict_reason):
        return
    now = timezone.now()
    ConflictStep.objects.create(section=section, at=now, by=by, state=state, reason=reason)
    section.conflict_state, section.conflict_reason = state, reason
    section.detected_at, section.detected_by = now, by
    section.save(update_fields=list(CONFLICT_FIELDS))


def _conflict(section: Section) -> tuple[str, str | None]:
    now = section.approved_version
    versions = list(section.drafts.order_by("version").values_list("base_version", flat=True))
    behind = [version for version in versions if version < now]
    if behind:
        return ConflictState.REBASE_REQUIRED, f"Version {now} has been approved since version {min(behind)} was read."
    if len(versions) > 1:
        return ConflictState.BLOCKED, f"{len(versions)} people have drafts of this section."
    return ConflictState.CLEAN, None
