from __future__ import annotations

import itertools

import pytest
from django.core.exceptions import ValidationError

from redline.access import Access
from redline.projects import services
from redline.projects.models import TRANSITIONS, Project, Status
from redline.workspaces.acting import acting
from redline.workspaces.models import Org, User
from redline.workspaces.services import sandbox_of
from tests.monitoring.world import events, make_member
from tests.monitoring.world import last_event as mark

pytestmark = pytest.mark.any_database


@pytest.fixture
def user(org: Org) -> User:
    return make_member(org)


def lifecycles(org: Org, after: int = 0) -> list[dict[str, object]]:
    return [data for _, data in events(org, "project.lifecycle", after=after)]


def project_in(org: Org, user: User, status: str) -> Project:
    """A project that has gone the shortest way to a status."""
    project = services.create(org.pk, name="P", by=user.pk)
    ways = {"completed": ["active", "completed"], "paused": ["active", "paused"], "draft": []}
    for step in ways.get(status, [status]):
        services.change(project, by=user.pk, status=step)
    return project


@pytest.mark.parametrize(("was", "to"), list(itertools.product(Status.values, repeat=2)))
def test_every_step_is_allowed_as_the_contract_says_or_refused_without_a_trace(
    org: Org, user: User, was: str, to: str
) -> None:
    project, before = project_in(org, user, was), mark()
    allowed = to in TRANSITIONS[was] or (was == "archived" and to == project.previous_status)
    if allowed:
        services.change(project, by=user.pk, status=to)
        assert Project.objects.get().status == to
        (told,) = lifecycles(org, before)
        assert (told["status"], told["previousStatus"], told["updatedBy"]) == (to, was, user.pk)
        return
    with pytest.raises(ValidationError) as refusal:
        services.change(project, by=user.pk, status=to)
    assert list(refusal.value.message_dict) == ["status"]
    assert Project.objects.get().status == was
    assert lifecycles(org, before) == []


@pytest.mark.parametrize("was", ["draft", "active", "paused", "completed"])
def test_from_the_archive_it_goes_back_to_where_it_was(org: Org, user: User, was: str) -> None:
    project = project_in(org, user, was)
    services.archive(project, by=user.pk, notes="for now")
    archived = lifecycles(org)[-1]
    assert (archived["archivedBy"], archived["notes"]) == (user.pk, "for now")
    assert archived["archivedAt"]
    services.restore(project, by=user.pk)
    restored = lifecycles(org)[-1]
    assert restored | {"updatedBy": ""} == {
        "projectId": project.pk,
        "status": was,
        "previousStatus": "archived",
        "updatedBy": "",
        "archivedAt": None,
        "archivedBy": None,
        "notes": "for now",
    }


def test_what_is_not_archived_cannot_be_restored(org: Org, user: User) -> None:
    with pytest.raises(ValidationError, match="not archived"):
        services.restore(project_in(org, user, "active"), by=user.pk)


def test_a_new_project_is_told_with_every_key(org: Org, user: User) -> None:
    project = services.create(org.pk, name="P", by=user.pk)
    assert lifecycles(org) == [
        {
            "projectId": project.pk,
            "status": "draft",
            "previousStatus": None,
            "updatedBy": user.pk,
            "archivedAt": None,
            "archivedBy": None,
            "notes": None,
        }
    ]


def test_a_name_alone_is_nobodys_news_and_notes_are(org: Org, user: User) -> None:
    project, before = project_in(org, user, "active"), mark()
    services.change(project, by=user.pk, name="Q")
    assert lifecycles(org, before) == []
    services.change(project, by=user.pk, notes="soon")
    (told,) = lifecycles(org, before)
    assert (told["status"], told["previousStatus"], told["notes"]) == ("active", "draft", "soon")


def test_saving_the_row_goes_by_the_same_rules(org: Org, user: User) -> None:
    project = project_in(org, user, "draft")
    project.status = "completed"
    with pytest.raises(ValidationError):
        project.save()
    project.status = "active"
    with acting(user.pk):
        project.save(update_fields=["status"])
    stored = Project.objects.get()
    assert (stored.status, stored.previous_status, stored.updated_by) == ("active", "draft", user.pk)


def test_who_saves_from_an_old_copy_is_refused_by_what_the_row_is_now(org: Org, user: User) -> None:
    project = project_in(org, user, "active")
    old = Project.objects.get()
    services.change(project, by=user.pk, status="completed")
    old.status = "paused"
    with pytest.raises(ValidationError):
        old.save()


def test_who_begins_a_project_is_on_it_and_nobody_is_on_it_twice(org: Org, user: User) -> None:
    project = services.create(org.pk, name="P", by=user.pk)
    services.add_member(project, user.pk)
    assert [str(place) for place in project.memberships.all()] == [f"{user} on P"]
    assert services.remove_member(project, user.pk)
    assert not services.remove_member(project, user.pk)


@pytest.mark.parametrize("name", ["", "x" * 121])
def test_a_project_has_a_name(org: Org, user: User, name: str) -> None:
    with pytest.raises(ValidationError):
        services.create(org.pk, name=name, by=user.pk)
    assert not Project.objects.exists()


def test_nothing_is_begun_in_the_archive(org: Org) -> None:
    with pytest.raises(ValidationError, match="begun before"):
        Project(org=org, name="P", status="archived").full_clean(exclude=["updated_by"])
    with pytest.raises(ValidationError):
        Project.objects.create(org=org, name="P", status="archived")


def test_in_a_sandbox_everybody_is_on_what_he_is_on_in_the_original(org: Org, user: User) -> None:
    project = services.create(org.pk, name="P", by=user.pk)
    sandbox = sandbox_of(org.pk)
    assert Access().rights(user, sandbox.pk) == Access().rights(user, org.pk)
    assert Access().rights(user, sandbox.pk).keys == {project.pk}
