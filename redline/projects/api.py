"""REST under `/api/v1/`: the org's projects, those that the caller is on; owner and admin all.

Refusals are those of `redline.rest`; a step that a project's status does not allow is a 409.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from redline.errors import Conflict
from redline.openapi import id_of, listing, operation
from redline.projects import selectors, services
from redline.projects import serializers as shapes
from redline.projects.models import Project
from redline.rest import Member, Pages, View, acting_member, body, checked_id, found, member
from redline.workspaces import selectors as people
from streaming import Rights

A_PROJECT = [id_of("a project")]


def projects_of(who: Member) -> QuerySet[Project]:
    """Return the projects that somebody may see."""
    if who.role.sees_all:
        return selectors.visible(who.org_id, Rights(all=True))
    place = (who.user_id, who.org_id)
    keys = selectors.keys_of_many([place]).get(place, frozenset())
    return selectors.visible(who.org_id, Rights(keys=keys))


def stepped(service: Callable[..., Project], project: Project, **told: Any) -> Response:
    """Answer with the project after a step; 409 for one that its status does not allow."""
    try:
        return Response(shapes.ProjectShape(service(project, **told)).data)
    except ValidationError as error:
        if "status" in getattr(error, "error_dict", {}):
            raise Conflict(" ".join(error.messages)) from None
        raise


class Projects(View):
    @listing("listProjects", "The caller's projects, by name.", of=shapes.ProjectShape)
    def get(self, request: Request) -> Response:
        pages = Pages(("name", "pk"))
        pages.check(request)
        return pages.answer(request, projects_of(member(request)), shapes.ProjectShape)

    @operation("addProject", "Begin a project.", takes=shapes.ProjectBody, answers=shapes.ProjectShape, status=201)
    def post(self, request: Request) -> Response:
        fields = body(request, shapes.ProjectBody)
        caller = acting_member(request)
        project = services.create(caller.org_id, by=caller.user_id, **fields)
        return Response(shapes.ProjectShape(project).data, status=201)


class OneProject(View):
    @operation("getProject", "One project.", answers=shapes.ProjectShape, parameters=A_PROJECT)
    def get(self, request: Request, id: str) -> Response:
        checked_id(id)
        return Response(shapes.ProjectShape(found(projects_of(member(request)), id)).data)

    @operation(
        "changeProject",
        "Change name, notes or status.",
        takes=shapes.ProjectChanges,
        answers=shapes.ProjectShape,
        parameters=A_PROJECT,
        refuses=[409],
    )
    def patch(self, request: Request, id: str) -> Response:
        checked_id(id)
        fields = body(request, shapes.ProjectChanges, partial=True)
        caller = acting_member(request)
        return stepped(services.change, found(projects_of(caller), id), by=caller.user_id, **fields)


class Step(View):
    service: ClassVar[Callable[..., Project]]

    def take(self, request: Request, id: str) -> Response:
        checked_id(id)
        fields = body(request, shapes.ProjectStepBody)
        caller = acting_member(request)
        return stepped(type(self).service, found(projects_of(caller), id), by=caller.user_id, **fields)


def step(name: str, summary: str) -> Any:
    return operation(
        name,
        summary,
        takes=shapes.ProjectStepBody,
        answers=shapes.ProjectShape,
        parameters=A_PROJECT,
        refuses=[409],
    )


class Archive(Step):
    service = services.archive

    @step("archiveProject", "Put a project away.")
    def post(self, request: Request, id: str) -> Response:
        return self.take(request, id)


class Restore(Step):
    service = services.restore

    @step("restoreProject", "Bring a project back from the archive, to the status that it had.")
    def post(self, request: Request, id: str) -> Response:
        return self.take(request, id)


class Members(View):
    @operation(
        "addProjectMember",
        "Put a user of the org on a project, by id or username.",
        takes=shapes.MemberBody,
        answers=shapes.MemberShape,
        status=201,
        parameters=A_PROJECT,
    )
    def post(self, request: Request, id: str) -> Response:
        checked_id(id)
        named = body(request, shapes.MemberBody)["user_id"]
        caller = acting_member(request)
        place = services.add_member(found(projects_of(caller), id), _member_named(named, caller.org_id))
        return Response(shapes.MemberShape(place).data, status=201)


class OneMember(View):
    @operation(
        "removeProjectMember",
        "Take a user off a project.",
        answers=None,
        status=204,
        parameters=[*A_PROJECT, id_of("a user", name="user_id")],
    )
    def delete(self, request: Request, id: str, user_id: str) -> Response:
        checked_id(id)
        checked_id(user_id, key="userId")
        if not services.remove_member(found(projects_of(acting_member(request)), id), user_id):
            raise PermissionDenied
        return Response(status=204)


def _member_named(text: str, org_id: str) -> str:
    user = people.find_user(text)
    if user is None or (user.pk, org_id) not in people.memberships({user.pk}):
        raise PermissionDenied
    return user.pk
