"""REST of projects, under `/api/v1/`. A trailing slash is the same route; an empty id is malformed, not unknown."""

from __future__ import annotations

from redline.projects import api
from redline.rest import both

urlpatterns = [
    *both("projects", api.Projects, "projects"),
    *both("projects/<any:id>", api.OneProject, "project"),
    *both("projects/<any:id>/archive", api.Archive, "archive-project"),
    *both("projects/<any:id>/restore", api.Restore, "restore-project"),
    *both("projects/<any:id>/members", api.Members, "project-members"),
    *both("projects/<any:id>/members/<any:user_id>", api.OneMember, "project-member"),
]
