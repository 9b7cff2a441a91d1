"""Projects in the admin: a status moves by the same rules as everywhere, recorded with the admin's user.

Texts are read here; they are written, approved and rebased by those who are on the project.
"""

from __future__ import annotations

from django.contrib import admin

from redline.admin import FixedOnceSaved, Recorded, Refusing
from redline.projects.models import (
    ApprovedText,
    ConflictStep,
    Document,
    Project,
    ProjectMembership,
    Section,
    SectionDraft,
)


class ProjectMembershipInline(admin.TabularInline):
    model = ProjectMembership
    extra = 0
    autocomplete_fields = ["user"]


@admin.register(Project)
class ProjectAdmin(Refusing, FixedOnceSaved):
    list_display = ["name", "org", "status", "updated_by", "created_at"]
    list_filter = ["status", "org"]
    search_fields = ["id", "name", "org__slug"]
    autocomplete_fields = ["org"]
    readonly_fields = ["id", "previous_status", "updated_by", "archived_at", "archived_by", "created_at"]
    fixed = ("org",)
    inlines = [ProjectMembershipInline]


class SectionInline(Recorded, admin.TabularInline):
    model = Section
    fields = readonly_fields = ["heading", "approved_version", "draft_version", "conflict_state"]
    show_change_link = True


@admin.register(Document)
class DocumentAdmin(FixedOnceSaved):
    list_display = ["title", "project", "created_at"]
    list_filter = ["project__org"]
    search_fields = ["id", "title", "project__name", "project__id"]
    autocomplete_fields = ["project"]
    readonly_fields = ["id", "created_at"]
    fixed = ("project",)
    inlines = [SectionInline]


class DraftInline(Recorded, admin.TabularInline):
    model = SectionDraft
    fields = ["author", "version", "base_version", "saved_at", "text"]


class ApprovedInline(Recorded, admin.TabularInline):
    model = ApprovedText
    fields = ["version", "by", "at", "text"]


class ConflictInline(Recorded, admin.TabularInline):
    model = ConflictStep
    fields = ["at", "by", "state", "reason"]


@admin.register(Section)
class SectionAdmin(Recorded, admin.ModelAdmin):
    list_display = ["heading", "document", "approved_version", "draft_version", "conflict_state"]
    list_filter = ["conflict_state", "document__project__org"]
    search_fields = ["id", "heading", "document__title", "document__id"]
    inlines = [DraftInline, ApprovedInline, ConflictInline]
