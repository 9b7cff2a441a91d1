"""The log, its heads and the API tokens in Django's admin: to look at, not to edit; tokens can be revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from streaming.models import ApiToken, Head, LogEntry

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class ReadOnly(ModelAdmin):
    """Nothing here can be changed by hand: the sequencer's promises would not survive it."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnly):
    list_display = ("org", "sequence", "type", "resource", "emitted_at")
    list_filter = ("type",)
    search_fields = ("=org", "=resource")
    ordering = ("-id",)
    show_full_result_count = False


@admin.register(Head)
class HeadAdmin(ReadOnly):
    list_display = ("org", "epoch", "sequence", "fingerprint", "floor")
    search_fields = ("=org",)
    show_full_result_count = False


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnly):
    """Tokens are issued by `manage.py token`, which shows the secret once."""

    list_display = ("hint", "label", "user", "org", "created_at", "expires_at", "revoked_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("=org", "label", "=hint")
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("streaming.change_apitoken")

    @admin.action(description="Revoke the selected tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        valid = tokens.filter(revoked_at__isnull=True)
        for token in valid:
            token.revoke()
        self.message_user(request, f"{len(valid)} tokens revoked.")
