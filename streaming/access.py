"""The seam to a project's users and orgs: who belongs to which org, and what a user may see there.

A project names its own class in `STREAMING["ACCESS"]`. All methods are sync and may query; the async side calls them
in batches, on its own threads. The default serves a project without orgs: one org `main`, every active user a member.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

from django.core.signals import setting_changed
from django.http import HttpRequest
from django.utils.module_loading import import_string

from streaming import conf
from streaming.core.rights import EVERYTHING, Rights
from streaming.core.stream import Stream

Member = tuple[Any, str]
"""A user and an org."""
Feed = tuple[Stream, str | None]
"""A stream of an org."""


class Access:
    """Base and default; override what differs."""

    def orgs(self, user: Any) -> set[str]:
        """Return the keys of the orgs that a user belongs to."""
        return {"main"} if user.is_active else set()

    def active_org(self, request: HttpRequest) -> str | None:
        """Return the org that a session user works in: `?org=`, else the one last chosen; None where there is none.

        What is asked for is returned as it is: whether it is the user's is decided by `rights`.
        """
        return request.GET.get("org") or next(iter(sorted(self.orgs(request.user))), None)

    def rights(self, user: Any, org: str) -> Rights | None:
        """Return what a user may see of an org; None for an org that is not the user's."""
        return EVERYTHING if org in self.orgs(user) else None

    def rights_of_many(self, members: Collection[Member]) -> list[Rights | None]:
        """Return the rights of many at once, in their order; override to spare queries."""
        return [self.rights(user, org) for user, org in members]

    def enabled(self, stream: Stream, org: str | None) -> bool:
        """Say whether a feed that has a switch is on for an org; one that is off can be polled, its streams end."""
        return True

    def enabled_of_many(self, feeds: Collection[Feed]) -> list[bool]:
        """Answer for many at once, in their order; override to spare queries."""
        return [self.enabled(stream, org) for stream, org in feeds]

    def find_org(self, text: str) -> str | None:
        """Return the key of the org that a person on the command line means."""
        return text if text == "main" else None

    def sandbox_of(self, org: str) -> str:
        """Return the key of the org into which `replay` copies by default, made if it is missing."""
        return f"{org[:32]}-sandbox"

    def find_user(self, text: str) -> Any | None:
        """Return the user that a header or a person on the command line means."""
        from django.contrib.auth import get_user_model

        model: Any = get_user_model()
        return next((user for name in self.user_lookups(model) if (user := _user(model, name, text)) is not None), None)

    def user_lookups(self, model: Any) -> Iterable[str]:
        return ("pk", model.USERNAME_FIELD)

    def users_of_subjects(self, subjects: Collection[str]) -> dict[str, Any]:
        """Return the users that the subjects of JSON Web Tokens stand for, by subject; here each is a primary key.

        Override to spare queries, or where the issuer knows users by ids of its own. Never by a name that a user may
        choose: he would choose somebody else's.
        """
        from django.contrib.auth import get_user_model

        found = {subject: _user(get_user_model(), "pk", subject) for subject in subjects}
        return {subject: user for subject, user in found.items() if user is not None}


def _user(model: Any, name: str, text: str) -> Any | None:
    try:
        return model._default_manager.get(**{name: text})
    except (model.DoesNotExist, model.MultipleObjectsReturned, ValueError):
        return None


@lru_cache(maxsize=1)
def current() -> Access:
    """Return the project's access class, instantiated once."""
    made: Access = import_string(conf.streaming.ACCESS)()
    return made


def _forget(*, setting: str, **_: object) -> None:
    if setting == "STREAMING":
        current.cache_clear()


setting_changed.connect(_forget, dispatch_uid="streaming.access")
