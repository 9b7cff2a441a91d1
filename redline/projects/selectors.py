"""Reads over projects: whose they are, and who may see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from django.db.models import QuerySet

from redline.projects.models import ApprovedText, Document, Project, ProjectMembership, Section
from streaming import Rights


def keys_of_many(members: Collection[tuple[str, str]]) -> dict[tuple[str, str], frozenset[str]]:
    """Return the projects that users are on, by (user, org), in one query; who is on none is missing.

    In a sandbox everybody is on what he is on in the org whose log is replayed there.
    """
    rows = ProjectMembership.objects.filter(user_id__in={user for user, _ in members})
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    columns = ("user_id", "project__org_id", "project__org__sandbox", "project_id")
    for user, org, sandbox, project in rows.order_by().values_list(*columns):
        for place in (org, sandbox):
            if place is not None:
                found[user, place].add(project)
    return {member: frozenset(keys) for member, keys in found.items()}


def visible(org: str, rights: Rights) -> QuerySet[Project]:
    """Return the projects of an org that somebody with these rights may see."""
    projects = Project.objects.filter(org=org)
    return projects if rights.all else projects.filter(pk__in=rights.keys)


def visible_documents(org: str, rights: Rights) -> QuerySet[Document]:
    return Document.objects.filter(project__in=visible(org, rights)).select_related("project")


def visible_sections(org: str, rights: Rights) -> QuerySet[Section]:
    return Section.objects.filter(document__project__in=visible(org, rights)).select_related("document__project")


def approved_text(section: Section, version: int) -> str:
    """Return a section's text as it was approved under a version."""
    return ApprovedText.objects.get(section=section, version=version).text
