"""What the board is told before its first request: who looks, at which org, under which names people go by.

It travels in the page as JSON. Names are for showing only; what a user may do is decided by the server at every
request, `mayAct` only spares a viewer buttons that would be refused.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.urls import reverse

from redline.workspaces.models import Membership, Org, Role, User

MOST_PEOPLE = 500
"""Beyond that the page shows ids for the rest: names of a whole large company do not belong into every page."""


def orgs_of(user: User) -> list[Org]:
    """Return the user's orgs, the oldest membership first."""
    memberships = Membership.objects.filter(user=user).select_related("org").order_by("created_at", "id")
    return [membership.org for membership in memberships]


def page_of(request: HttpRequest, user: User, org: Org) -> dict[str, Any]:
    """Return the page's data for a member of the org."""
    members = Membership.objects.filter(org=org).select_related("user")
    role = Role(members.get(user=user).role)
    people = {member.user.pk: name_of(member.user) for member in members.order_by("created_at", "id")[:MOST_PEOPLE]}
    return {
        "org": {"id": org.pk, "slug": org.slug, "name": str(org)},
        "user": {"id": user.pk, "name": name_of(user), "role": role.value, "mayAct": role.may_act},
        "people": {**people, user.pk: name_of(user)},
        "csrf": get_token(request),
        "api": "/v1",
        "stream": "/v1/stream",
        "clock": reverse("clock"),
    }


def name_of(user: User) -> str:
    return user.get_short_name() or user.username
