from __future__ import annotations

from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.test import Client
from django.utils import timezone

from redline.monitoring import services
from redline.monitoring.models import (
    Action,
    Change,
    ChangeReport,
    ChangeTransition,
    Entitlement,
    PageVersion,
    Policy,
    Run,
    RunStage,
    State,
    Vendor,
    VendorPage,
)
from redline.workspaces.models import Membership, Org, User
from tests.monitoring.world import events, last_event, make_report, make_run, make_vendor


class Form(HTMLParser):
    """The fields of a page's form as a browser would send them back."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._select = self._area = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        name, value = found.get("name") or "", found.get("value") or ""
        if "disabled" in found:
            return
        if tag == "input" and found.get("type") not in ("submit", "file", "button"):
            if found.get("type") not in ("checkbox", "radio") or "checked" in found:
                self.fields[name] = value or "on" if found.get("type") == "checkbox" else value
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in found:
            self.fields[self._select] = value
        elif tag == "textarea":
            self._area = name
            self.fields[name] = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.fields[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        self._select = "" if tag == "select" else self._select
        self._area = "" if tag == "textarea" else self._area


class Desk:
    """A superuser at the admin."""

    def __init__(self) -> None:
        self.user = User.objects.create_superuser("root")
        self.client = Client()
        self.client.force_login(self.user)

    def path(self, row: Any) -> str:
        return f"/admin/{row._meta.app_label}/{row._meta.model_name}/{quote(row.pk)}/change/"

    def save(self, row: Any, **changes: Any) -> Any:
        """Open a row's form, change fields, save."""
        fields = Form(self.client.get(self.path(row)).content.decode()).fields
        return self.client.post(self.path(row), {k: v for k, v in (fields | changes).items() if v is not None})


@pytest.fixture
def desk(transactional_db: None) -> Desk:
    return Desk()


@pytest.fixture
def everything(org: Org) -> list[Any]:
    """A row of every model of both apps."""
    vendor = make_vendor(org)
    page = VendorPage.objects.create(vendor=vendor, url="https://n.example/terms", kind="terms")
    run = make_run(vendor)
    report = services.acknowledge(make_report(org, vendor=vendor, run=run))
    change = Change.objects.create(report=report, page=page, category="data", materiality="minor", summary="s")
    return [
        *(org, User.objects.create(username="u"), vendor, page, run, report, change),
        Membership.objects.create(org=org, user=User.objects.create(username="v")),
        PageVersion.objects.create(page=page, blocks=[["", "text"]], fetched_at=timezone.now()),
        RunStage.objects.create(run=run, stage="fetch"),
        report.transitions.get(),
        Policy.objects.create(org=org, name="P"),
        Action.objects.create(org=org, report=report, kind="jira"),
        Entitlement.objects.create(org=org),
    ]


def values(row: Any) -> dict[str, Any]:
    """A row's columns; instants to the second, which is how far the admin's form goes."""
    found = type(row).objects.values().get(pk=row.pk)
    return {k: v.replace(microsecond=0) if isinstance(v, datetime) else v for k, v in found.items()}


def test_every_model_of_both_apps_is_in_the_admin_with_search_and_filters() -> None:
    for label in ("monitoring", "workspaces"):
        for model in apps.get_app_config(label).get_models():
            registered = admin.site.get_model_admin(model)
            assert registered.search_fields, model
            assert registered.list_filter, model


def test_every_list_search_and_form_opens(desk: Desk, everything: list[Any]) -> None:
    models = {type(row) for row in everything}
    assert models == {model for app in ("monitoring", "workspaces") for model in apps.get_app_config(app).get_models()}
    for row in everything:
        list_ = f"/admin/{row._meta.app_label}/{row._meta.model_name}/"
        assert desk.client.get(list_).status_code == 200
        assert desk.client.get(list_, {"q": "x"}).status_code == 200
        assert desk.client.get(desk.path(row)).status_code == 200
        assert desk.client.get(f"{list_}add/").status_code in (200, 403)


def test_saving_a_form_that_was_not_touched_changes_nothing_and_emits_nothing(
    desk: Desk, everything: list[Any]
) -> None:
    before = last_event()
    for row in everything:
        was = values(row)
        answer = desk.save(row)
        assert answer.status_code in (302, 403), answer.context and answer.context["errors"]
        assert values(row) == was
    assert events(everything[0], after=before) == []


def test_a_new_state_is_announced_and_recorded_with_the_admins_user(desk: Desk, org: Org) -> None:
    report, before = make_report(org), last_event()
    assert desk.save(report, state="acknowledged", note="from the desk").status_code == 302
    step = report.transitions.get()
    assert (step.from_state, step.to_state, step.by, step.note) == (
        "new",
        "acknowledged",
        desk.user.pk,
        "from the desk",
    )
    assert events(org, after=before) == [
        ("change.stateChanged", {"changeReportId": report.pk, "state": "acknowledged", "by": desk.user.pk})
    ]


def test_a_step_that_is_not_allowed_is_a_form_error_and_emits_nothing(desk: Desk, org: Org) -> None:
    report, before = make_report(org), last_event()
    refused = desk.save(report, state="in-progress")
    assert refused.status_code == 200
    assert "cannot become in-progress" in refused.content.decode()
    assert ChangeReport.objects.get().state == State.NEW
    assert not ChangeTransition.objects.exists()
    assert events(org, after=before) == []


def test_a_snooze_needs_an_instant_in_the_future(desk: Desk, org: Org) -> None:
    report, before = make_report(org), last_event()
    past = timezone.now() - timedelta(hours=1)
    asked = {"snoozed_until_0": f"{past:%Y-%m-%d}", "snoozed_until_1": f"{past:%H:%M:%S}"}
    for changes in ({}, asked):
        assert desk.save(report, state="snoozed", **changes).status_code == 200
    assert events(org, after=before) == []
    tomorrow = timezone.now() + timedelta(days=1)
    asked = {"snoozed_until_0": f"{tomorrow:%Y-%m-%d}", "snoozed_until_1": f"{tomorrow:%H:%M:%S}"}
    assert desk.save(report, state="snoozed", **asked).status_code == 302
    assert ChangeReport.objects.get().snoozed_until is not None
    assert desk.save(report, state="acknowledged").status_code == 302
    assert ChangeReport.objects.get().snoozed_until is None


def test_a_step_that_somebody_else_made_meanwhile_is_told(desk: Desk, org: Org) -> None:
    report = make_report(org)
    stale = Form(desk.client.get(desk.path(report)).content.decode()).fields
    services.resolve(report, "accepted")
    refused = desk.client.post(desk.path(report), stale | {"state": "acknowledged"})
    assert refused.status_code == 200
    assert ChangeReport.objects.get().state == State.RESOLVED


def test_a_refusal_between_check_and_save_is_a_message_not_a_crash(
    desk: Desk, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = make_report(org)
    monkeypatch.setattr(ChangeReport, "clean", lambda self: None)
    answer = desk.save(report, state="in-progress")
    assert answer.status_code == 302
    assert "cannot become in-progress" in desk.client.get(answer.headers["Location"]).content.decode()
    assert ChangeReport.objects.get().state == State.NEW


@pytest.mark.parametrize("field", ["severity", "headline", "why", "vendor", "org", "detected_at_0"])
def test_what_the_system_found_is_read_only(desk: Desk, org: Org, field: str) -> None:
    report = make_report(org)
    assert field not in Form(desk.client.get(desk.path(report)).content.decode()).fields
    assert desk.save(report, **{field: "P1"}).status_code == 302
    assert ChangeReport.objects.get().severity == "P2"


def test_a_run_that_is_added_ticks(desk: Desk, org: Org) -> None:
    vendor, before = make_vendor(org), last_event()
    now = timezone.now()
    answer = desk.client.post(
        "/admin/monitoring/run/add/",
        {
            "org": org.pk,
            "vendor": vendor.pk,
            "status": "running",
            "started_at_0": f"{now:%Y-%m-%d}",
            "started_at_1": f"{now:%H:%M:%S}",
            "stages-TOTAL_FORMS": 0,
            "stages-INITIAL_FORMS": 0,
        },
    )
    assert answer.status_code == 302
    ((kind, data),) = events(org, after=before)
    assert (kind, data["vendorId"], data["runId"]) == ("scheduler.tick", vendor.pk, Run.objects.get().pk)


def test_a_flag_that_changes_is_announced_with_when(desk: Desk, org: Org) -> None:
    entitlement = Entitlement.objects.create(org=org)
    before = last_event()
    desk.save(entitlement, auditor_portal="on")
    ((_, data),) = events(org, after=before)
    assert data["auditorPortal"] is True
    assert Entitlement.objects.get().changed_at > entitlement.changed_at


@pytest.mark.parametrize("field", ["categories", "keywords", "routes"])
@pytest.mark.parametrize("value", ["5", "{}", '"text"', "["])
def test_a_policys_lists_are_lists(desk: Desk, org: Org, field: str, value: str) -> None:
    policy = Policy.objects.create(org=org, name="P")
    answer = desk.save(policy, **{field: value})
    wanted = 302 if value == "{}" else 200  # an empty object is Django's empty value: read as the empty list
    assert answer.status_code == wanted
    assert getattr(Policy.objects.get(), field) == []


def test_a_page_that_is_there_keeps_its_address(desk: Desk, org: Org) -> None:
    vendor = make_vendor(org, pages={"https://n.example/terms": "terms"})
    desk.save(vendor, **{"pages-0-url": "https://elsewhere.example", "pages-0-kind": "sla"})
    page = VendorPage.objects.get()
    assert (page.url, page.kind) == ("https://n.example/terms", "sla")


def test_a_shorter_cadence_brings_the_vendor_forward(desk: Desk, org: Org) -> None:
    vendor = make_vendor(org, next_run_at=timezone.now() + timedelta(days=1))
    assert desk.save(vendor, cadence_seconds="5").status_code == 200
    assert desk.save(vendor, cadence_seconds="30").status_code == 302
    assert Vendor.objects.get().next_run_at <= timezone.now() + timedelta(seconds=30)


def test_a_vendor_with_all_that_hangs_on_it_can_be_deleted(desk: Desk, everything: list[Any]) -> None:
    vendor = Vendor.objects.get()
    path = f"/admin/monitoring/vendor/{quote(vendor.pk)}/delete/"
    assert desk.client.post(path, {"post": "yes"}).status_code == 302
    assert not Vendor.objects.exists()
    assert not ChangeTransition.objects.exists()
