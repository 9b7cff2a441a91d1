"""Orgs, users and memberships in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from flags.forms import FlagStateForm
from flags.models import FlagState

from redline.workspaces import flags
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


class FlagForm(FlagStateForm):
    """A condition of a flag: which of ours, and for which org."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].choices = [(name.value, name.value) for name in flags.Name]
        self.fields["condition"].choices = [
            (flags.Condition.EVERYBODY.value, "for everybody: True or False"),
            (flags.Condition.ORG.value, "on for the org of this slug"),
            (flags.Condition.EXCEPT_ORG.value, "off for the org of this slug"),
        ]
        self.fields["value"].label = "Value"
        del self.fields["required"]

    def clean_value(self) -> Any:
        if "condition" not in self.cleaned_data:
            return self.cleaned_data["value"]  # there is no telling what it should be
        return super().clean_value()


admin.site.unregister(FlagState)


@admin.register(FlagState)
class FlagAdmin(admin.ModelAdmin):
    """The rows change what the settings say of their flag, at once and in all processes."""

    form = FlagForm
    fields = ["name", "condition", "value"]
    list_display = ["name", "condition", "value"]
    list_filter = ["name"]
