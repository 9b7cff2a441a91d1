"""What REST says and takes of projects, camelCase on the wire."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from redline.fields import MAX_NOTE, Body, CamelSerializer, Choice, Instant, Note, Text, Whole
from redline.projects.models import ConflictState, Status


class ProjectShape(CamelSerializer):
    id = serializers.CharField(source="pk")
    name = serializers.CharField()
    status = Choice(Status.choices)
    previous_status = Choice(Status.choices, allow_null=True)
    notes = serializers.CharField()
    updated_by = serializers.CharField()
    archived_at = Instant(allow_null=True)
    archived_by = serializers.CharField(allow_null=True)
    created_at = Instant()


class ProjectBody(Body):
    name = Text(max_length=120)


class ProjectChanges(Body):
    name = Text(max_length=120)
    status = Choice(Status.choices)
    notes = Text(allow_blank=True, max_length=MAX_NOTE)


class ProjectStepBody(Body):
    notes = Note(default=None)


class MemberBody(Body):
    user_id = Text(max_length=255)


class MemberShape(CamelSerializer):
    project_id = serializers.CharField()
    user_id = serializers.CharField()
    created_at = Instant()


class DraftOutline(CamelSerializer):
    author_id = serializers.CharField()
    draft_version = serializers.IntegerField(source="version")
    base_version = serializers.IntegerField()
    saved_at = Instant()


class SectionShape(CamelSerializer):
    id = serializers.CharField(source="pk")
    document_id = serializers.CharField()
    heading = serializers.CharField()
    text = serializers.CharField()
    approved_version = serializers.IntegerField()
    draft_version = serializers.IntegerField()
    conflict_state = Choice(ConflictState.choices)
    conflict_reason = serializers.CharField(allow_null=True)
    detected_at = Instant(allow_null=True)
    detected_by = serializers.CharField(allow_null=True)
    drafts = DraftOutline(many=True)


class SectionBody(Body):
    heading = Text(max_length=200)
    text = Text(allow_blank=True, trim_whitespace=False)


class DocumentShape(CamelSerializer):
    id = serializers.CharField(source="pk")
    project_id = serializers.CharField()
    title = serializers.CharField()
    created_at = Instant()


class DocumentBody(Body):
    title = Text(max_length=200)


class StepShape(serializers.Serializer[Any]):
    op = Choice([("equal", "equal"), ("insert", "insert"), ("delete", "delete")])
    text = serializers.CharField()


class DraftShape(CamelSerializer):
    """A person's draft; where he has none, the approved text with `draftVersion` null."""

    section_id = serializers.CharField()
    text = serializers.CharField()
    base_version = serializers.IntegerField()
    draft_version = serializers.IntegerField(allow_null=True)
    approved_version = serializers.IntegerField()
    conflict_state = Choice(ConflictState.choices)
    conflict_reason = serializers.CharField(allow_null=True)
    diff = StepShape(many=True)
    rejected = serializers.ListField(child=StepShape(many=True))


class DraftBody(Body):
    text = Text(allow_blank=True, trim_whitespace=False)
    base_version = Whole(min_value=1)


class ApprovalBody(Body):
    draft_version = Whole(min_value=1)
