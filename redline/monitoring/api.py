"""REST under `/v1/`: vendors, runs, changes, actions, policies and entitlements of the credential's org.

Refusals are those of `redline.rest`; a step that a change's state does not allow is a 409. Members see, whoever is more
than a viewer acts, owner and admin set entitlements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Prefetch, QuerySet
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from redline.errors import Conflict
from redline.monitoring import serializers as shapes
from redline.monitoring import services
from redline.monitoring.claims import AlreadyRunning
from redline.monitoring.models import Action, ChangeReport, Entitlement, Policy, Run, RunStage, State, Vendor
from redline.openapi import id_of, listing, operation, query
from redline.rest import Member, Pages, View, acting_member, administrator, body, checked_id, found, member
from redline.workspaces import selectors as people

BY_VENDOR = query("vendorId", "Only of this vendor.")


def vendors_of(org_id: str) -> QuerySet[Vendor]:
    return Vendor.objects.filter(org=org_id).prefetch_related("pages")


def runs_of(org_id: str) -> QuerySet[Run]:
    stages = Prefetch("stages", RunStage.objects.order_by("pk"))
    return Run.objects.filter(org=org_id).select_related("vendor").prefetch_related(stages)


def changes_of(org_id: str) -> QuerySet[ChangeReport]:
    actions = Prefetch("actions", Action.objects.order_by("created_at", "pk"))
    rows = ChangeReport.objects.filter(org=org_id).select_related("vendor")
    return rows.prefetch_related("changes", "transitions", actions)


class Vendors(View):
    @listing("listVendors", "The org's vendors, by name.", of=shapes.VendorShape)
    def get(self, request: Request) -> Response:
        pages = Pages(("name", "pk"))
        pages.check(request)
        return pages.answer(request, vendors_of(member(request).org_id), shapes.VendorShape)

    @operation("addVendor", "Watch a vendor.", takes=shapes.VendorBody, answers=shapes.VendorShape, status=201)
    def post(self, request: Request) -> Response:
        fields = body(request, shapes.VendorBody)
        caller = acting_member(request)
        vendor = services.add_vendor(caller.org_id, **_with_owner(fields, caller.org_id))
        return Response(shapes.VendorShape(vendor).data, status=201)


class OneVendor(View):
    @operation("getVendor", "One vendor.", answers=shapes.VendorShape, parameters=[id_of("a vendor")])
    def get(self, request: Request, id: str) -> Response:
        checked_id(id)
        return Response(shapes.VendorShape(found(vendors_of(member(request).org_id), id)).data)

    @operation(
        "changeVendor",
        "Change a vendor; `pages`, where given, are all of them.",
        takes=shapes.VendorChanges,
        answers=shapes.VendorShape,
        parameters=[id_of("a vendor")],
    )
    def patch(self, request: Request, id: str) -> Response:
        checked_id(id)
        fields = body(request, shapes.VendorChanges, partial=True)
        caller = acting_member(request)
        vendor = found(Vendor.objects.filter(org=caller.org_id), id)
        services.change_vendor(vendor, **_with_owner(fields, caller.org_id))
        return Response(shapes.VendorShape(found(vendors_of(caller.org_id), id)).data)


class Runs(View):
    @listing("listRuns", "The org's runs, the newest first.", of=shapes.RunShape, parameters=[BY_VENDOR])
    def get(self, request: Request) -> Response:
        pages = Pages(("-started_at", "-pk"))
        pages.check(request)
        chosen = _by_vendor(request)
        return pages.answer(request, runs_of(member(request).org_id).filter(**chosen), shapes.RunShape)

    @operation(
        "requestRun",
        "Run a vendor now; 409 while it is being run.",
        takes=shapes.RunBody,
        answers=shapes.RunStartedShape,
        status=202,
        refuses=[409],
    )
    def post(self, request: Request) -> Response:
        vendor_id = checked_id(body(request, shapes.RunBody)["vendor_id"], key="vendorId")
        vendor = found(Vendor.objects.filter(org=acting_member(request).org_id), vendor_id)
        try:
            run = services.request_run(vendor)
        except AlreadyRunning as error:
            raise Conflict(error.__doc__) from None
        return Response(shapes.RunStartedShape(run).data, status=202)


class OneRun(View):
    @operation("getRun", "One run with its stages.", answers=shapes.RunShape, parameters=[id_of("a run")])
    def get(self, request: Request, id: str) -> Response:
        checked_id(id)
        return Response(shapes.RunShape(found(runs_of(member(request).org_id), id)).data)


class Changes(View):
    @listing(
        "listChanges",
        "What was found, the newest first.",
        of=shapes.ReportShape,
        parameters=[BY_VENDOR, query("state", f"Only these, by commas: {', '.join(State.values)}.")],
    )
    def get(self, request: Request) -> Response:
        pages = Pages(("-detected_at", "-pk"))
        pages.check(request)
        chosen = _by_vendor(request) | _by_state(request)
        return pages.answer(request, changes_of(member(request).org_id).filter(**chosen), shapes.ReportShape)


class OneChange(View):
    @operation("getChange", "One change report.", answers=shapes.ReportShape, parameters=[id_of("a change")])
    def get(self, request: Request, id: str) -> Response:
        checked_id(id)
        return Response(shapes.ReportShape(found(changes_of(member(request).org_id), id)).data)


class Step(View):
    """One step of a change's life; subclasses say which."""

    takes: ClassVar[type[serializers.Serializer[Any]]] = shapes.StepBody
    service: ClassVar[Callable[..., ChangeReport]]

    def take(self, request: Request, id: str) -> Response:
        checked_id(id)
        fields = body(request, self.takes)
        caller = acting_member(request)
        report = found(ChangeReport.objects.filter(org=caller.org_id), id)
        try:
            type(self).service(report, by=caller.user_id, **fields)
        except ValidationError as error:
            if "state" in getattr(error, "error_dict", {}):
                raise Conflict(" ".join(error.messages)) from None
            raise
        return Response(shapes.ReportShape(found(changes_of(caller.org_id), id)).data)


def step(name: str, summary: str, takes: type[serializers.Serializer[Any]] = shapes.StepBody) -> Any:
    return operation(
        name, summary, takes=takes, answers=shapes.ReportShape, refuses=[409], parameters=[id_of("a change")]
    )


class Acknowledge(Step):
    service = services.acknowledge

    @step("acknowledgeChange", "Say that somebody has seen it.")
    def post(self, request: Request, id: str) -> Response:
        return self.take(request, id)


class Start(Step):
    service = services.start

    @step("startChange", "Say that somebody is at work on it.")
    def post(self, request: Request, id: str) -> Response:
        return self.take(request, id)


class Snooze(Step):
    service = services.snooze
    takes = shapes.SnoozeBody

    @step("snoozeChange", "Put it away until an instant in the future.", shapes.SnoozeBody)
    def post(self, request: Request, id: str) -> Response:
        return self.take(request, id)


class Resolve(Step):
    service = services.resolve
    takes = shapes.ResolveBody

    @step("resolveChange", "Close it for good.", shapes.ResolveBody)
    def post(self, request: Request, id: str) -> Response:
        return self.take(request, id)


class Actions(View):
    @listing("listActions", "What was sent to whom, the newest first.", of=shapes.ActionShape)
    def get(self, request: Request) -> Response:
        pages = Pages(("-created_at", "-pk"))
        pages.check(request)
        return pages.answer(request, Action.objects.filter(org=member(request).org_id), shapes.ActionShape)


def _policy_shape(who: Member) -> type[shapes.PolicyShape]:
    return shapes.PolicyShape if who.role.may_act else shapes.PolicyOutline


class Policies(View):
    @listing("listPolicies", "The org's policies, by name.", of=shapes.PolicyShape)
    def get(self, request: Request) -> Response:
        pages = Pages(("name", "pk"))
        pages.check(request)
        who = member(request)
        return pages.answer(request, Policy.objects.filter(org=who.org_id), _policy_shape(who))

    @operation("addPolicy", "Add a policy.", takes=shapes.PolicyBody, answers=shapes.PolicyShape, status=201)
    def post(self, request: Request) -> Response:
        fields = body(request, shapes.PolicyBody)
        policy = services.add_policy(acting_member(request).org_id, **fields)
        return Response(shapes.PolicyShape(policy).data, status=201)


class OnePolicy(View):
    @operation("getPolicy", "One policy.", answers=shapes.PolicyShape, parameters=[id_of("a policy")])
    def get(self, request: Request, id: str) -> Response:
        checked_id(id)
        who = member(request)
        policy = found(Policy.objects.filter(org=who.org_id), id)
        return Response(_policy_shape(who)(policy).data)

    @operation(
        "changePolicy",
        "Change a policy.",
        takes=shapes.PolicyBody,
        answers=shapes.PolicyShape,
        parameters=[id_of("a policy")],
    )
    def patch(self, request: Request, id: str) -> Response:
        checked_id(id)
        fields = body(request, shapes.PolicyBody, partial=True)
        policy = found(Policy.objects.filter(org=acting_member(request).org_id), id)
        return Response(shapes.PolicyShape(services.change_policy(policy, **fields)).data)


class Entitlements(View):
    @listing("listEntitlements", "What the org has bought: one row.", of=shapes.EntitlementShape)
    def get(self, request: Request) -> Response:
        Pages(("pk",)).check(request)
        org_id = member(request).org_id
        row = Entitlement.objects.filter(org=org_id).first() or Entitlement(org_id=org_id, changed_at=None)
        return Response({"results": [shapes.EntitlementShape(row).data], "next": None})

    @operation(
        "setEntitlements",
        "Set what the org has bought; owner and admin only.",
        takes=shapes.EntitlementChanges,
        answers=shapes.EntitlementShape,
    )
    def patch(self, request: Request) -> Response:
        flags = body(request, shapes.EntitlementChanges, partial=True)
        row = services.set_entitlement(administrator(request).org_id, **flags)
        return Response(shapes.EntitlementShape(row).data)


def _with_owner(fields: dict[str, Any], org_id: str) -> dict[str, Any]:
    """Replace the name of an owner, an id or a username, by the member's id."""
    named = fields.get("owner_id")
    if named is not None:
        user = people.find_user(named)
        if user is None or (user.pk, org_id) not in people.memberships({user.pk}):
            raise PermissionDenied
        fields["owner_id"] = user.pk
    return fields


def _by_vendor(request: Request) -> dict[str, str]:
    asked = request.query_params.get("vendorId")
    return {} if asked is None else {"vendor_id": checked_id(asked, key="vendorId")}


def _by_state(request: Request) -> dict[str, list[str]]:
    asked = request.query_params.get("state")
    if asked is None:
        return {}
    states = asked.split(",")
    if not set(states) <= set(State.values):
        raise exceptions.ValidationError({"state": [f"By commas, of: {', '.join(State.values)}."]})
    return {"state__in": states}
