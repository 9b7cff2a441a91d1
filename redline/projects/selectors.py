"""Reads over projects: whose they are, and who may see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from django.db.models import QuerySet

from redline.projects.models import Project, ProjectMembership
from streaming import Rights


def keys_of_many(members: Collection[tuple[str, str]]) -> dict[tuple[str, str], frozenset[str]]:
    """Return the projects that users are on, by (user, org), in one query; who is on none is missing."""
    rows = ProjectMembership.objects.filter(user_id__in={user for user, _ in members})
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for user, org, project in rows.order_by().values_list("user_id", "project__org_id", "project_id"):
        found[user, org].add(project)
    return {member: frozenset(keys) for member, keys in found.items()}


def visible(org: str, rights: Rights) -> QuerySet[Project]:
    """Return the projects of an org that somebody with these rights may see."""
    projects = Project.objects.filter(org=org)
    return projects if rights.all else projects.filter(pk__in=rights.keys)
