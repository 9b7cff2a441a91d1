"""Orgs, users and memberships in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin

from redline.workspaces.models import Membership, Org, User


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ["org", "user"]


@admin.register(Org)
class OrgAdmin(admin.ModelAdmin):
    list_display = ["name", "slug", "id", "created_at"]
    list_filter = ["created_at"]
    search_fields = ["id", "slug", "name"]
    readonly_fields = ["id", "created_at"]
    inlines = [MembershipInline]


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    list_display = ["username", "email", "id", "is_active", "is_staff"]
    list_filter = ["is_active", "is_staff", "is_superuser", "memberships__role"]
    search_fields = ["id", "username", "email", "external_id", "first_name", "last_name"]
    readonly_fields = ["id", "last_login", "date_joined"]
    fieldsets = [(None, {"fields": ["id", "external_id"]}), *(DjangoUserAdmin.fieldsets or ())]
    inlines = [MembershipInline]


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):
    list_display = ["user", "org", "role", "created_at"]
    list_filter = ["role", "org"]
    search_fields = ["user__username", "user__email", "user__id", "org__slug", "org__name", "org__id"]
    autocomplete_fields = ["org", "user"]
    readonly_fields = ["created_at"]
