from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from redline.projects import editing, services
from redline.projects.models import Project
from redline.workspaces.models import Org, User
from tests.monitoring.world import Rest, events

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def root(org: Org) -> Client:
    client = Client()
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    return client


def form(project: Project, **changed: Any) -> dict[str, Any]:
    inline = {f"memberships-{name}": value for name, value in (("TOTAL_FORMS", 0), ("INITIAL_FORMS", 0))}
    return {"name": project.name, "status": project.status, "notes": project.notes, **inline, **changed}


def test_a_status_that_is_saved_in_the_admin_is_recorded_and_told(root: Client, ann: Rest) -> None:
    project = services.create(ann.org.pk, name="P", by=ann.user.pk)
    page = f"/admin/projects/project/{project.pk}/change/"
    assert root.get(page).status_code == 200
    assert root.post(page, form(project, status="active")).status_code == 302
    told = events(ann.org, "project.lifecycle")[-1][1]
    assert (told["status"], told["updatedBy"]) == ("active", User.objects.get(username="root").pk)


def test_a_step_that_is_not_allowed_is_an_error_of_the_form(root: Client, ann: Rest) -> None:
    project = services.create(ann.org.pk, name="P", by=ann.user.pk)
    answer = root.post(f"/admin/projects/project/{project.pk}/change/", form(project, status="completed"))
    assert "cannot become completed" in answer.content.decode()
    assert Project.objects.get().status == "draft"


def test_one_is_begun_and_found_in_the_admin(root: Client, ann: Rest) -> None:
    blank = Project(name="Begun here")
    assert root.post("/admin/projects/project/add/", form(blank, org=ann.org.pk)).status_code == 302
    assert b"Begun here" in root.get("/admin/projects/project/?q=Begun").content


def test_texts_are_read_in_the_admin_and_not_written(root: Client, ann: Rest) -> None:
    project = services.create(ann.org.pk, name="P", by=ann.user.pk)
    document = editing.add_document(project, title="Terms")
    section = editing.add_section(document, heading="Retention", text="Ninety days.", by=ann.user.pk)
    editing.save_draft(section, text="Thirty days.", base_version=1, by=ann.user.pk)
    for page in (f"document/{document.pk}/change/", f"section/{section.pk}/change/", "section/?q=Ret", "document/?q=T"):
        answer = root.get(f"/admin/projects/{page}")
        assert answer.status_code == 200, page
    assert "Thirty days." in root.get(f"/admin/projects/section/{section.pk}/change/").content.decode()
    assert root.post(f"/admin/projects/section/{section.pk}/change/", {"heading": "x"}).status_code == 403
