from __future__ import annotations

from typing import Any

import pytest

from redline.projects.models import Project
from redline.workspaces.models import Org, User
from tests.monitoring.world import Rest

pytestmark = pytest.mark.any_database


def begun(who: Rest, name: str = "Migration") -> str:
    answer = who.post("projects", {"name": name})
    assert answer.status == 201, answer.raw
    return str(answer.json["id"])


def names(who: Rest) -> list[str]:
    return [one["name"] for one in who.get("projects").json["results"]]


def test_a_project_is_begun_read_changed_put_away_and_brought_back(ann: Rest) -> None:
    project = begun(ann)
    assert ann.patch(f"projects/{project}", {"status": "active", "notes": "go"}).json["status"] == "active"
    archived = ann.post(f"projects/{project}/archive", {"notes": "later"}).json
    assert (archived["status"], archived["archivedBy"], archived["notes"]) == ("archived", ann.user.pk, "later")
    restored = ann.post(f"projects/{project}/restore", {}).json
    assert (restored["status"], restored["previousStatus"], restored["archivedAt"]) == ("active", "archived", None)
    assert ann.get(f"projects/{project}/").json == restored
    assert ann.patch(f"projects/{project}", {"name": "Other"}).json["name"] == "Other"


@pytest.mark.parametrize(
    ("path", "body"),
    [("", {"status": "completed"}), ("", {"status": "draft"}), ("/restore", {}), ("", {"status": "paused"})],
)
def test_a_step_that_is_not_allowed_is_409_and_changes_nothing(ann: Rest, path: str, body: Any) -> None:
    project = begun(ann)
    answer = ann.post(f"projects/{project}{path}", body) if path else ann.patch(f"projects/{project}", body)
    assert (answer.status, answer.code) == (409, "conflict")
    assert Project.objects.get().status == "draft"


def test_members_see_what_they_are_on_and_owners_everything(ann: Rest, ben: Rest, owner: Rest, stranger: Rest) -> None:
    begun(ann, "of Ann")
    begun(ben, "of Ben")
    assert [names(who) for who in (ann, ben, owner, stranger)] == [["of Ann"], ["of Ben"], ["of Ann", "of Ben"], []]


def test_a_membership_is_given_by_id_or_name_and_taken(ann: Rest, ben: Rest) -> None:
    project = begun(ann)
    for named in (ben.user.pk, ben.user.username):
        answer = ann.post(f"projects/{project}/members", {"userId": named})
        assert (answer.status, answer.json["userId"]) == (201, ben.user.pk)
    assert ben.get(f"projects/{project}").status == 200
    assert ann.delete(f"projects/{project}/members/{ben.user.pk}").status == 204
    assert ben.get(f"projects/{project}").status == 403
    assert ann.delete(f"projects/{project}/members/{ben.user.pk}").status == 403


def test_nobody_of_another_org_is_put_on_a_project(ann: Rest, stranger: Rest) -> None:
    project = begun(ann)
    for named in (stranger.user.pk, "nobody"):
        assert ann.post(f"projects/{project}/members", {"userId": named}).status == 403


@pytest.mark.parametrize("method", ["GET", "PATCH", "archive", "restore", "members", "DELETE"])
def test_the_foreign_and_the_unknown_are_the_same_403(ann: Rest, ben: Rest, stranger: Rest, method: str) -> None:
    project = begun(ann)

    def ask(who: Rest, project: str) -> tuple[int, str]:
        if method == "DELETE":
            answer = who.delete(f"projects/{project}/members/{ann.user.pk}")
        elif method in ("GET", "PATCH"):
            answer = who.ask(method, f"projects/{project}", None if method == "GET" else {"name": "x"})
        else:
            answer = who.post(f"projects/{project}/{method}", {"userId": ann.user.pk} if method == "members" else {})
        return answer.status, answer.json["error"]["message"]

    answers = {ask(ben, project), ask(stranger, project), ask(ann, "prj_nobody"), ask(ben, "prj_nobody")}
    assert [status for status, _ in answers] == [403]


def test_a_viewer_reads_and_changes_nothing(ann: Rest, viewer: Rest) -> None:
    project = begun(ann)
    ann.post(f"projects/{project}/members", {"userId": viewer.user.pk})
    assert viewer.get(f"projects/{project}").status == 200
    refused = [
        viewer.post("projects", {"name": "x"}),
        viewer.patch(f"projects/{project}", {"name": "x"}),
        viewer.post(f"projects/{project}/archive", {}),
        viewer.post(f"projects/{project}/members", {"userId": viewer.user.pk}),
        viewer.delete(f"projects/{project}/members/{viewer.user.pk}"),
    ]
    assert [answer.status for answer in refused] == [403] * 5


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("projects", {}),
        ("projects", {"name": ""}),
        ("projects", {"name": 5}),
        ("projects", {"name": "x" * 121}),
        ("projects", {"name": "x", "status": "active"}),
        ("projects", [1]),
        ("projects/not-an-id/archive", {}),
        ("projects//archive", {}),
        ("projects/prj_x/members", {}),
        ("projects/prj_x/archive", {"notes": 5}),
        ("projects/prj_x/archive", {"notes": "x" * 4_001}),
    ],
)
def test_what_is_malformed_is_400(ann: Rest, path: str, body: Any) -> None:
    answer = ann.post(path, body)
    assert (answer.status, answer.code) == (400, "validation-failed")


@pytest.mark.parametrize("body", [{"status": "gone"}, {"status": None}, {"id": "prj_y"}, {"archivedBy": "me"}])
def test_what_cannot_be_changed_is_400(ann: Rest, body: Any) -> None:
    project = begun(ann)
    assert ann.patch(f"projects/{project}", body).status == 400
    assert ann.delete(f"projects/{project}/members/nobody").status == 400


def test_who_has_left_the_org_sees_nothing_of_its_projects(ann: Rest, org: Org) -> None:
    project = begun(ann)
    User.objects.get(pk=ann.user.pk).memberships.get().delete()
    assert ann.get(f"projects/{project}").status == 403
