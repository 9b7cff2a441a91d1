"""REST of projects, under `/api/v1/`. A trailing slash is the same route; an empty id is malformed, not unknown."""

from __future__ import annotations

from redline.projects import api, editing_api
from redline.rest import both

urlpatterns = [
    *both("projects", api.Projects, "projects"),
    *both("projects/<any:id>", api.OneProject, "project"),
    *both("projects/<any:id>/archive", api.Archive, "archive-project"),
    *both("projects/<any:id>/restore", api.Restore, "restore-project"),
    *both("projects/<any:id>/members", api.Members, "project-members"),
    *both("projects/<any:id>/members/<any:user_id>", api.OneMember, "project-member"),
    *both("projects/<any:id>/documents", editing_api.Documents, "documents"),
    *both("documents/<any:id>/sections", editing_api.Sections, "sections"),
    *both("sections/<any:id>", editing_api.OneSection, "section"),
    *both("sections/<any:id>/draft", editing_api.Draft, "draft"),
    *both("sections/<any:id>/approve", editing_api.Approve, "approve-draft"),
    *both("sections/<any:id>/rebase", editing_api.Rebase, "rebase-draft"),
]
