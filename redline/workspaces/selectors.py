"""Reads over orgs and members."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from redline.workspaces.models import Membership, Org, Role, User


def memberships(user_ids: Collection[str]) -> dict[tuple[str, str], Role]:
    """Return the roles of these users by (user, org)."""
    rows = Membership.objects.filter(user_id__in=user_ids, user__is_active=True)
    return {(user, org): Role(role) for user, org, role in rows.values_list("user_id", "org_id", "role")}


def orgs_of(user: User) -> list[str]:
    """Return the ids of a user's orgs, the oldest membership first."""
    rows = Membership.objects.filter(user=user, user__is_active=True).order_by("created_at", "id")
    return list(rows.values_list("org_id", flat=True))


def find_org(text: str) -> Org | None:
    """Return the org of a slug or id; PostgreSQL cannot even be asked for a text with NUL."""
    if "\0" in text:
        return None
    return Org.objects.filter(Q(slug=text) | Q(pk=text)).first()


def find_user(text: str) -> User | None:
    """Return the user of an id, username or e-mail; an e-mail that several share names nobody."""
    if not text or "\0" in text:
        return None
    found = User.objects.filter(Q(pk=text) | Q(username=text)).first()
    if found is not None:
        return found
    by_mail = list(User.objects.filter(email__iexact=text)[:2])
    return by_mail[0] if len(by_mail) == 1 else None
