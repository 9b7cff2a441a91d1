"""Monitoring in the admin: what users decide can be changed, what the system recorded can be read.

A change's state moves by the same rules as everywhere: a step that is not allowed is a form error, one that is gets
recorded with the admin's user and announced. A step that somebody else made meanwhile is told, not overwritten.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from redline.admin import FixedOnceSaved, Recorded, Refusing
from redline.monitoring import services
from redline.monitoring.models import (
    Action,
    Change,
    ChangeReport,
    ChangeTransition,
    Entitlement,
    PageVersion,
    Policy,
    Run,
    RunStage,
    State,
    Vendor,
    VendorPage,
)


class VendorPageForm(forms.ModelForm):
    """A page that is there keeps its address: versions of another one would read as a change of everything."""

    class Meta:
        model = VendorPage
        fields = ["url", "kind"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["url"].disabled = self.instance.pk is not None


class VendorPageInline(admin.TabularInline):
    model = VendorPage
    form = VendorPageForm
    extra = 0
    readonly_fields = ["fetched_at"]


@admin.register(Vendor)
class VendorAdmin(FixedOnceSaved):
    list_display = ["name", "org", "tier", "owner", "is_watched", "cadence_seconds", "next_run_at"]
    list_filter = ["is_watched", "tier", "org"]
    search_fields = ["id", "name", "homepage_url"]
    autocomplete_fields = ["org", "owner"]
    readonly_fields = ["id", "created_at"]
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    fixed = ("org",)
    inlines = [VendorPageInline]

    def save_model(self, request: HttpRequest, obj: Vendor, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        services.follow_cadence(obj)


class PageVersionInline(Recorded, admin.TabularInline):
    model = PageVersion
    fields = ["fetched_at"]
    show_change_link = True


@admin.register(VendorPage)
class VendorPageAdmin(FixedOnceSaved):
    list_display = ["url", "kind", "vendor", "fetched_at"]
    list_filter = ["kind", "vendor__org"]
    search_fields = ["url", "vendor__name", "vendor__id"]
    autocomplete_fields = ["vendor"]
    readonly_fields = ["etag", "last_modified", "fetched_at"]
    fixed = ("vendor", "url")
    inlines = [PageVersionInline]


@admin.register(PageVersion)
class PageVersionAdmin(Recorded, admin.ModelAdmin):
    list_display = ["page", "fetched_at"]
    list_filter = ["fetched_at", "page__kind"]
    search_fields = ["page__url", "page__vendor__name"]


class RunStageInline(Recorded, admin.TabularInline):
    model = RunStage
    fields = ["stage", "status", "duration_ms", "reason", "started_at"]


@admin.register(Run)
class RunAdmin(FixedOnceSaved):
    list_display = ["id", "vendor", "org", "status", "started_at", "finished_at"]
    list_filter = ["status", "org", "started_at"]
    search_fields = ["id", "vendor__name", "vendor__id"]
    autocomplete_fields = ["org", "vendor"]
    readonly_fields = ["id"]
    fixed = ("org", "vendor", "started_at", "finished_at")
    inlines = [RunStageInline]


@admin.register(RunStage)
class RunStageAdmin(Recorded, admin.ModelAdmin):
    list_display = ["run", "stage", "status", "duration_ms", "reason", "started_at"]
    list_filter = ["stage", "status", "run__org"]
    search_fields = ["run__id", "run__vendor__name", "reason"]


class ChangeReportForm(forms.ModelForm):
    note = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}), help_text="Kept with the step.")

    class Meta:
        model = ChangeReport
        fields = [
            "org",
            "vendor",
            "run",
            "severity",
            "headline",
            "why",
            "recommendation",
            "detected_at",
            "state",
            "snoozed_until",
            "resolution",
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        until = cleaned.get("snoozed_until")
        is_asked = {"state", "snoozed_until"} & set(self.changed_data)
        if cleaned.get("state") == State.SNOOZED and is_asked and until is not None and until <= timezone.now():
            self.add_error("snoozed_until", "Say an instant in the future.")
        return cleaned


class ChangeInline(Recorded, admin.StackedInline):
    model = Change
    fields = ["category", "materiality", "section", "summary", "before", "after", "citations"]


class ActionInline(Recorded, admin.TabularInline):
    model = Action
    fields = ["kind", "target", "status", "external_id", "reason", "created_at"]


class ChangeTransitionInline(Recorded, admin.TabularInline):
    model = ChangeTransition
    fields = ["from_state", "to_state", "by", "note", "at"]


@admin.register(ChangeReport)
class ChangeReportAdmin(Refusing, FixedOnceSaved):
    form = ChangeReportForm
    list_display = ["headline", "vendor", "severity", "state", "detected_at"]
    list_filter = ["state", "severity", "org", "detected_at"]
    search_fields = ["id", "headline", "vendor__name", "vendor__id"]
    autocomplete_fields = ["org", "vendor", "run"]
    readonly_fields = ["id"]
    fixed = ("org", "vendor", "run", "severity", "headline", "why", "detected_at")
    inlines = [ChangeInline, ActionInline, ChangeTransitionInline]

    def save_model(self, request: HttpRequest, obj: ChangeReport, form: Any, change: bool) -> None:
        obj.note = form.cleaned_data.get("note", "")
        if obj.state != State.SNOOZED:
            obj.snoozed_until = None
        super().save_model(request, obj, form, change)


@admin.register(Change)
class ChangeAdmin(Recorded, admin.ModelAdmin):
    list_display = ["summary", "category", "materiality", "report"]
    list_filter = ["category", "materiality", "report__org"]
    search_fields = ["summary", "section", "report__id", "report__headline"]


@admin.register(ChangeTransition)
class ChangeTransitionAdmin(Recorded, admin.ModelAdmin):
    list_display = ["report", "from_state", "to_state", "by", "at"]
    list_filter = ["to_state", "report__org", "at"]
    search_fields = ["report__id", "report__headline", "by", "note"]


class PolicyForm(forms.ModelForm):
    """Lists that are no lists are told here: what follows iterates over them."""

    class Meta:
        model = Policy
        fields = [
            "org",
            "name",
            "categories",
            "materiality",
            "keywords",
            "severity",
            "routes",
            "recommendation",
            "is_active",
        ]

    def clean_categories(self) -> list[Any]:
        return self._list("categories")

    def clean_keywords(self) -> list[Any]:
        return self._list("keywords")

    def clean_routes(self) -> list[Any]:
        return self._list("routes")

    def _list(self, name: str) -> list[Any]:
        value = self.cleaned_data[name] or []
        if not isinstance(value, list):
            raise ValidationError("Write a list, as in [].")
        return value


@admin.register(Policy)
class PolicyAdmin(FixedOnceSaved):
    form = PolicyForm
    list_display = ["name", "org", "severity", "materiality", "is_active"]
    list_filter = ["is_active", "severity", "org"]
    search_fields = ["id", "name", "recommendation"]
    autocomplete_fields = ["org"]
    readonly_fields = ["id"]
    fixed = ("org",)


@admin.register(Action)
class ActionAdmin(FixedOnceSaved):
    list_display = ["id", "kind", "status", "report", "created_at", "delivered_at"]
    list_filter = ["kind", "status", "org", "created_at"]
    search_fields = ["id", "external_id", "target", "report__id", "report__headline"]
    autocomplete_fields = ["org", "report"]
    readonly_fields = ["id", "attempts"]
    fixed = ("org", "report", "kind", "target", "created_at", "delivered_at")


@admin.register(Entitlement)
class EntitlementAdmin(FixedOnceSaved):
    list_display = ["org", "compliance_pack", "auditor_portal", "changed_at"]
    list_filter = ["compliance_pack", "auditor_portal"]
    search_fields = ["org__slug", "org__name", "org__id"]
    autocomplete_fields = ["org"]
    readonly_fields = ["changed_at"]
    fixed = ("org",)

    def save_model(self, request: HttpRequest, obj: Entitlement, form: Any, change: bool) -> None:
        if {"compliance_pack", "auditor_portal"} & set(form.changed_data):
            obj.changed_at = timezone.now()
        super().save_model(request, obj, form, change)
