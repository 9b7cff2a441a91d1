"""A feed for tests whose entries carry keys and audience and whose clients narrow it, and the rights to it.

Rights are granted in `GRANTS` and read by `Access`, the state is what `STATE` holds; a test sets both. The snapshot
yields everything on purpose: hiding what a user may not see is the engine's work, and that is what is tested.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Self

from django.http import HttpRequest

from streaming import Event, Rights, Scope, Stream
from streaming.access import Access as BaseAccess
from streaming.access import Member
from streaming.core.errors import Refused
from streaming.core.event import Announcement
from streaming.core.stream import registry

GRANTS: dict[tuple[str, str], Rights] = {}
"""By user and org; who is not in it is no member."""
STATE: dict[str, list[Announcement]] = {}
PATH = "/test/projects"


class Access(BaseAccess):
    def orgs(self, user: Any) -> set[str]:
        return {org for member, org in GRANTS if member == user.pk}

    def active_org(self, request: HttpRequest) -> str | None:
        return request.GET.get("org")

    def rights_of_many(self, members: Collection[Member]) -> list[Rights | None]:
        return [GRANTS.get((user.pk, org)) for user, org in members]

    def rights(self, user: Any, org: str) -> Rights | None:
        return GRANTS.get((user.pk, org))


class Noted(Event, type="test.noted"):
    number: int


class Flagged(Event, type="test.flagged"):
    number: int


class Ended(Event, type="test.ended"):
    number: int


EVENTS: tuple[type[Event], ...] = (Noted, Flagged, Ended)
OF_DOCUMENTS = frozenset({"test.flagged", "test.ended"})
"""What a client that asks for one document gets."""


def scope(org: str, path: Mapping[str, str], query: Mapping[str, str], rights: Rights) -> Scope:
    within = frozenset(query[name] for name in ("projectId", "documentId") if name in query)
    if not rights.all and not within <= rights.keys:
        raise Refused(403, "forbidden", "This is not yours to see, or does not exist.")
    return Scope(within=within, types=OF_DOCUMENTS if "documentId" in query else None)


def state(org: str, rights: Rights) -> Iterator[Announcement]:
    yield from STATE.get(org, ())


class Declared:
    """The feed, while the block lasts."""

    def __enter__(self) -> Self:
        self._stream = Stream(
            "projects",
            path=PATH.strip("/"),
            events_path="test/events",
            queries=frozenset({"projectId", "documentId"}),
            scope=scope,
            snapshot=state,
        )
        self._stream.announces(*EVENTS)
        return self

    def __exit__(self, *_: object) -> None:
        registry.forget(self._stream)
        GRANTS.clear()
        STATE.clear()
