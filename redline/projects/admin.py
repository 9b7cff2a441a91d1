"""Projects in the admin: a status moves by the same rules as everywhere, recorded with the admin's user."""

from __future__ import annotations

from django.contrib import admin

from redline.admin import FixedOnceSaved, Refusing
from redline.projects.models import Project, ProjectMembership


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
