"""Reads over orgs and members."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from redline.workspaces.models import Membership, Org, Role, User


def memberships(user_ids: Collection[str]) -> dict[tuple[str, str], Role]:
    """Return the roles of these users by (user, org).

    In a sandbox everybody is what he is in the org whose log is replayed there, whatever its own rows say.
    """
    rows = Membership.objects.filter(user_id__in=user_ids, user__is_active=True, org__sandbox_for=None)
    roles: dict[tuple[str, str], Role] = {}
    for user, org, sandbox, role in rows.order_by().values_list("user_id", "org_id", "org__sandbox", "role"):
        roles[user, org] = Role(role)
        if sandbox is not None:
            roles[user, sandbox] = Role(role)
    return roles


def sandbox_id(org_id: str) -> str | None:
    """Return the org into which an org's log is replayed, if there is one yet."""
    return Org.objects.filter(sandbox_for=org_id).values_list("pk", flat=True).first()


def orgs_of(user: User) -> list[str]:
    """Return the ids of a user's orgs, the oldest membership first."""
    rows = Membership.objects.filter(user=user, user__is_active=True).order_by("created_at", "id")
    return list(rows.values_list("org_id", flat=True))


def find_org(text: str) -> Org | None:
    """Return the org of a slug or id; PostgreSQL cannot even be asked for a text with NUL."""
    if "\0" in text:
        return None
    return Org.objects.filter(Q(slug=text) | Q(pk=text)).first()


def ids_of_orgs(texts: Collection[str]) -> dict[str, str]:
    """Return the ids of orgs by what they were called, slug or id; who does not exist is missing."""
    found = dict(Org.objects.filter(Q(slug__in=texts) | Q(pk__in=texts)).values_list("slug", "pk"))
    return {pk: pk for pk in found.values()} | found


def find_user(text: str) -> User | None:
    """Return the user of an id, username or e-mail; an e-mail that several share names nobody."""
    if not text or "\0" in text:
        return None
    found = User.objects.filter(Q(pk=text) | Q(username=text)).first()
    if found is not None:
        return found
    by_mail = list(User.objects.filter(email__iexact=text)[:2])
    return by_mail[0] if len(by_mail) == 1 else None


def users_of_subjects(subjects: Collection[str]) -> dict[str, User]:
    """Return the users that an identity provider's subjects stand for: our own ids first, then external ones."""
    users = User.objects.filter(Q(pk__in=subjects) | Q(external_id__in=subjects))
    by_id, by_external_id = {user.pk: user for user in users}, {user.external_id: user for user in users}
    found = {subject: by_id.get(subject) or by_external_id.get(subject) for subject in subjects}
    return {subject: user for subject, user in found.items() if user is not None}
