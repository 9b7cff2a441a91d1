"""Redline's answer to `streaming`'s question who belongs to which org and may see what.

An org is a `workspaces.Org`, its key the org's id. Every member sees the org's feed, and of its projects those that he
is on; owner and admin see everything.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.http import HttpRequest

from redline.projects import selectors as projects
from redline.workspaces import flags, selectors, services
from redline.workspaces.models import Role
from streaming import Rights, Stream
from streaming.access import Access as BaseAccess
from streaming.access import Feed, Member

CHOSEN_ORG = "redline_org"
"""The session's key for the org that its user chose last."""


class Access(BaseAccess):
    def orgs(self, user: Any) -> set[str]:
        return set(selectors.orgs_of(user))

    def active_org(self, request: HttpRequest) -> str | None:
        asked = request.GET.get("org")
        if asked:
            org = selectors.find_org(asked)
            return org.pk if org is not None else asked
        mine = selectors.orgs_of(request.user)  # type: ignore[arg-type]
        chosen = request.session.get(CHOSEN_ORG)
        return chosen if chosen in mine else next(iter(mine), None)

    def rights(self, user: Any, org: str) -> Rights | None:
        return self.rights_of_many([(user, org)])[0]

    def rights_of_many(self, members: Collection[Member]) -> list[Rights | None]:
        asked = [(user.pk, org) for user, org in members]
        roles = selectors.memberships({user for user, _ in asked})
        keys = projects.keys_of_many([one for one in asked if one in roles and not roles[one].sees_all])
        return [_rights(roles.get(one), one[0], keys.get(one, frozenset())) for one in asked]

    def enabled(self, stream: Stream, org: str | None) -> bool:
        return self.enabled_of_many([(stream, org)])[0]

    def enabled_of_many(self, feeds: Collection[Feed]) -> list[bool]:
        return flags.are_on(flags.Name.EVENT_STREAM, [org for _, org in feeds])

    def find_org(self, text: str) -> str | None:
        org = selectors.find_org(text)
        return org.pk if org is not None else None

    def sandbox_of(self, org: str) -> str:
        return services.sandbox_of(org).pk

    def find_user(self, text: str) -> Any | None:
        return selectors.find_user(text)

    def users_of_subjects(self, subjects: Collection[str]) -> dict[str, Any]:
        return dict(selectors.users_of_subjects(subjects))


def _rights(role: Role | None, user_id: str, keys: frozenset[str]) -> Rights | None:
    if role is None:
        return None
    return Rights(all=True) if role.sees_all else Rights(names=frozenset({user_id}), keys=keys)
