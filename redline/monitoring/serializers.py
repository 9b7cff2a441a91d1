"""What REST says and takes: one shape for each body and each answer, camelCase on the wire."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework import serializers

from redline.fields import Body, CamelSerializer, Choice, Flag, Instant, Note, Text, WebAddress, Whole
from redline.monitoring.models import (
    ActionKind,
    ActionStatus,
    Category,
    Materiality,
    PageKind,
    Resolution,
    RunStatus,
    Severity,
    Stage,
    StageStatus,
    State,
    Tier,
)

MOST_PAGES = 20


class PageShape(CamelSerializer):
    url = serializers.URLField()
    kind = Choice(PageKind.choices)
    fetched_at = Instant(allow_null=True)


class VendorShape(CamelSerializer):
    id = serializers.CharField(source="pk")
    name = serializers.CharField()
    homepage_url = serializers.URLField()
    owner_id = serializers.CharField(allow_null=True)
    tier = Choice(Tier.choices)
    cadence_seconds = serializers.IntegerField(allow_null=True)
    is_watched = serializers.BooleanField()
    next_run_at = Instant()
    created_at = Instant()
    pages = PageShape(many=True)


class StageShape(CamelSerializer):
    stage = Choice(Stage.choices)
    status = Choice(StageStatus.choices)
    duration_ms = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField()
    started_at = Instant()


class RunShape(CamelSerializer):
    id = serializers.CharField(source="pk")
    vendor_id = serializers.CharField()
    vendor_name = serializers.CharField(source="vendor.name")
    status = Choice(RunStatus.choices)
    started_at = Instant()
    finished_at = Instant(allow_null=True)
    stages = StageShape(many=True)


class RunStartedShape(CamelSerializer):
    run_id = serializers.CharField(source="pk")


class CitationShape(serializers.Serializer[Any]):
    quote = serializers.CharField()
    section = serializers.CharField()
    url = serializers.URLField()
    fetchedAt = serializers.CharField()  # noqa: N815 - stored as on the wire


class ChangeShape(CamelSerializer):
    category = Choice(Category.choices)
    materiality = Choice(Materiality.choices)
    section = serializers.CharField()
    summary = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()
    ops = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    citations = CitationShape(many=True)


class ActionShape(CamelSerializer):
    id = serializers.CharField(source="pk")
    change_report_id = serializers.CharField(source="report_id")
    kind = Choice(ActionKind.choices)
    status = Choice(ActionStatus.choices)
    external_id = serializers.CharField()
    reason = serializers.CharField()
    attempts = serializers.IntegerField()
    created_at = Instant()
    delivered_at = Instant(allow_null=True)


class TransitionShape(CamelSerializer):
    from_state = Choice(State.choices)
    to_state = Choice(State.choices)
    by = serializers.CharField()
    note = serializers.CharField()
    at = Instant()


class ReportShape(CamelSerializer):
    id = serializers.CharField(source="pk")
    vendor_id = serializers.CharField()
    vendor_name = serializers.CharField(source="vendor.name")
    run_id = serializers.CharField(allow_null=True)
    severity = Choice(Severity.choices)
    headline = serializers.CharField()
    why = serializers.CharField()
    recommendation = serializers.CharField()
    state = Choice(State.choices)
    snoozed_until = Instant(allow_null=True)
    resolution = serializers.CharField()
    detected_at = Instant()
    changes = ChangeShape(many=True)
    actions = ActionShape(many=True)
    transitions = TransitionShape(many=True)


class RouteOutline(CamelSerializer):
    kind = Choice(ActionKind.choices)


class RouteShape(RouteOutline):
    target = serializers.CharField(required=False, help_text="Left out for viewers: a webhook's URL is a secret.")


class PolicyShape(CamelSerializer):
    id = serializers.CharField(source="pk")
    name = serializers.CharField()
    categories = serializers.ListField(child=serializers.CharField())
    materiality = Choice(Materiality.choices)
    keywords = serializers.ListField(child=serializers.CharField())
    severity = Choice(Severity.choices)
    routes = RouteShape(many=True)
    recommendation = serializers.CharField()
    is_active = serializers.BooleanField()


class PolicyOutline(PolicyShape):
    """A policy as who may not act sees it."""

    routes = RouteOutline(many=True)


class EntitlementShape(CamelSerializer):
    compliance_pack = serializers.BooleanField()
    auditor_portal = serializers.BooleanField()
    changed_at = Instant(allow_null=True)


class PageBody(Body):
    url = WebAddress()
    kind = Choice(PageKind.choices)


class VendorBody(Body):
    name = Text(max_length=120)
    homepage_url = WebAddress()
    owner_id = Text(required=False, allow_null=True, max_length=254, help_text="A member's id or username.")
    tier = Choice(Tier.choices, required=False)
    cadence_seconds = Whole(required=False, allow_null=True, min_value=10)
    pages = PageBody(many=True, max_length=MOST_PAGES)

    def validate_pages(self, pages: list[dict[str, str]]) -> list[dict[str, str]]:
        if len({page["url"] for page in pages}) < len(pages):
            raise serializers.ValidationError("Each page is named once.")
        return pages


class VendorChanges(VendorBody):
    is_watched = Flag(required=False)


class RunBody(Body):
    vendor_id = Text(max_length=64, trim_whitespace=False)


class StepBody(Body):
    note = Note()


class SnoozeBody(StepBody):
    until_at = Instant()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["until_at"] <= timezone.now():
            raise serializers.ValidationError({"untilAt": ["Say an instant in the future."]})
        return attrs


class ResolveBody(StepBody):
    resolution = Choice(Resolution.choices)


class RouteBody(Body):
    kind = Choice(ActionKind.choices)
    target = Text(max_length=500)


class PolicyBody(Body):
    name = Text(max_length=120)
    categories = serializers.ListField(child=Choice(Category.choices), required=False)
    materiality = Choice(Materiality.choices, required=False)
    keywords = serializers.ListField(child=Text(max_length=100), required=False, max_length=100)
    severity = Choice(Severity.choices, required=False)
    routes = RouteBody(many=True, required=False, max_length=MOST_PAGES)
    recommendation = Text(required=False, allow_blank=True, max_length=2_000)
    is_active = Flag(required=False)


class EntitlementChanges(Body):
    compliance_pack = Flag(required=False)
    auditor_portal = Flag(required=False)
