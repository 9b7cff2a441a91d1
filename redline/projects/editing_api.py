"""REST under `/api/v1/` for documents, sections and drafts of projects that the caller sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from redline.errors import Conflict
from redline.fields import camel
from redline.openapi import id_of, listing, operation
from redline.projects import drafts, editing
from redline.projects import serializers as shapes
from redline.projects.api import A_PROJECT, projects_of
from redline.projects.models import Document, Section, SectionDraft
from redline.rest import Member, Pages, View, acting_member, body, checked_id, found, member

A_DOCUMENT = [id_of("a document")]
A_SECTION = [id_of("a section")]


def documents_of(who: Member) -> QuerySet[Document]:
    return Document.objects.filter(project__in=projects_of(who))


def sections_of(who: Member) -> QuerySet[Section]:
    rows = Section.objects.filter(document__in=documents_of(who))
    return rows.select_related("document__project").prefetch_related("drafts")


def drafted(section: Section, author: str) -> dict[str, Any]:
    """Return what a person sees of his draft."""
    draft: SectionDraft | None = section.drafts.filter(author=author).first()
    text = section.text if draft is None else draft.text
    return {
        "section_id": section.pk,
        "text": text,
        "base_version": section.approved_version if draft is None else draft.base_version,
        "draft_version": None if draft is None else draft.version,
        "approved_version": section.approved_version,
        "conflict_state": section.conflict_state,
        "conflict_reason": section.conflict_reason,
        "diff": _steps(drafts.difference(section.text, text)),
        "rejected": [] if draft is None else [_steps(steps) for steps in draft.rejected],
    }


def _steps(pairs: Any) -> list[dict[str, str]]:
    return [{"op": op, "text": text} for op, text in pairs]


def taken(service: Callable[..., Any], *args: Any, **told: Any) -> Any:
    """Do it; what the present state does not allow is a 409."""
    try:
        return service(*args, **told)
    except ValidationError as error:
        if "state" in getattr(error, "error_dict", {}):
            raise Conflict(" ".join(error.messages)) from None
        raise exceptions.ValidationError({camel(key): told for key, told in error.message_dict.items()}) from None


class Documents(View):
    @listing("listDocuments", "A project's documents, the oldest first.", of=shapes.DocumentShape, parameters=A_PROJECT)
    def get(self, request: Request, id: str) -> Response:
        pages = Pages(("created_at", "pk"))
        pages.check(request)
        checked_id(id)
        project = found(projects_of(member(request)), id)
        return pages.answer(request, project.documents.all(), shapes.DocumentShape)

    @operation(
        "addDocument",
        "Add a document to a project.",
        takes=shapes.DocumentBody,
        answers=shapes.DocumentShape,
        status=201,
        parameters=A_PROJECT,
    )
    def post(self, request: Request, id: str) -> Response:
        checked_id(id)
        fields = body(request, shapes.DocumentBody)
        document = editing.add_document(found(projects_of(acting_member(request)), id), **fields)
        return Response(shapes.DocumentShape(document).data, status=201)


class Sections(View):
    @listing("listSections", "A document's sections, the oldest first.", of=shapes.SectionShape, parameters=A_DOCUMENT)
    def get(self, request: Request, id: str) -> Response:
        pages = Pages(("created_at", "pk"))
        pages.check(request)
        checked_id(id)
        caller = member(request)
        document = found(documents_of(caller), id)
        return pages.answer(request, sections_of(caller).filter(document=document), shapes.SectionShape)

    @operation(
        "addSection",
        "Add a section; its text is approved version 1.",
        takes=shapes.SectionBody,
        answers=shapes.SectionShape,
        status=201,
        parameters=A_DOCUMENT,
    )
    def post(self, request: Request, id: str) -> Response:
        checked_id(id)
        fields = body(request, shapes.SectionBody)
        caller = acting_member(request)
        section = editing.add_section(found(documents_of(caller), id), by=caller.user_id, **fields)
        return Response(shapes.SectionShape(section).data, status=201)


class OneSection(View):
    @operation(
        "getSection",
        "A section, with who is drafting it.",
        answers=shapes.SectionShape,
        parameters=A_SECTION,
    )
    def get(self, request: Request, id: str) -> Response:
        checked_id(id)
        return Response(shapes.SectionShape(found(sections_of(member(request)), id)).data)


class Draft(View):
    @operation(
        "getDraft",
        "The caller's draft of a section.",
        answers=shapes.DraftShape,
        parameters=A_SECTION,
    )
    def get(self, request: Request, id: str) -> Response:
        checked_id(id)
        caller = member(request)
        section = found(sections_of(caller), id)
        return Response(shapes.DraftShape(drafted(section, caller.user_id)).data)

    @operation(
        "saveDraft",
        "Keep a draft, in place of the caller's own before.",
        takes=shapes.DraftBody,
        answers=shapes.DraftShape,
        parameters=A_SECTION,
    )
    def put(self, request: Request, id: str) -> Response:
        checked_id(id)
        fields = body(request, shapes.DraftBody)
        caller = acting_member(request)
        section = found(sections_of(caller), id)
        taken(editing.save_draft, section, by=caller.user_id, **fields)
        return Response(shapes.DraftShape(drafted(section, caller.user_id)).data)

    @operation(
        "discardDraft",
        "Give up the caller's draft.",
        answers=None,
        status=204,
        parameters=A_SECTION,
        refuses=[409],
    )
    def delete(self, request: Request, id: str) -> Response:
        checked_id(id)
        caller = acting_member(request)
        taken(editing.discard, found(sections_of(caller), id), by=caller.user_id)
        return Response(status=204)


class Approve(View):
    @operation(
        "approveDraft",
        "Make a draft the approved text; 409 for one that is behind.",
        takes=shapes.ApprovalBody,
        answers=shapes.SectionShape,
        parameters=A_SECTION,
        refuses=[409],
    )
    def post(self, request: Request, id: str) -> Response:
        checked_id(id)
        fields = body(request, shapes.ApprovalBody)
        caller = acting_member(request)
        taken(editing.approve, found(sections_of(caller), id), by=caller.user_id, **fields)
        return Response(shapes.SectionShape(found(sections_of(caller), id)).data)


class Rebase(View):
    @operation(
        "rebaseDraft",
        "Carry the caller's draft over to the approved text; `rejected` is what found no place there.",
        answers=shapes.DraftShape,
        parameters=A_SECTION,
        refuses=[409],
    )
    def post(self, request: Request, id: str) -> Response:
        checked_id(id)
        caller = acting_member(request)
        section = found(sections_of(caller), id)
        taken(editing.rebase, section, by=caller.user_id)
        return Response(shapes.DraftShape(drafted(section, caller.user_id)).data)
