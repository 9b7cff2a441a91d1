"""What REST says and takes of projects, camelCase on the wire."""

from __future__ import annotations

from rest_framework import serializers

from redline.fields import MAX_NOTE, Body, CamelSerializer, Choice, Instant, Note, Text
from redline.projects.models import Status


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
