from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from redline.monitoring.models import Action, Change, ChangeReport, Entitlement, Policy, RunStage, Vendor
from redline.monitoring.workers import of_this_process
from tests.monitoring.world import (
    Rest,
    events,
    last_event,
    later,
    make_member,
    make_report,
    make_run,
    make_vendor,
)

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
PAGES = [{"url": "https://northwind.example/terms", "kind": "terms"}]
VENDOR = {"name": "Northwind", "homepageUrl": "https://northwind.example", "pages": PAGES}


def test_a_vendor_is_added_with_all_that_was_said(rest: Rest) -> None:
    made = rest.post("vendors", {**VENDOR, "ownerId": rest.user.username, "tier": "critical", "cadenceSeconds": 10})
    assert made.status == 201
    body = made.json
    assert re.fullmatch(r"vnd_[A-Za-z0-9]{14}", body["id"])
    assert body == {
        "id": body["id"],
        "name": "Northwind",
        "homepageUrl": "https://northwind.example",
        "ownerId": rest.user.pk,
        "tier": "critical",
        "cadenceSeconds": 10,
        "isWatched": True,
        "nextRunAt": body["nextRunAt"],
        "createdAt": body["createdAt"],
        "pages": [{"url": "https://northwind.example/terms", "kind": "terms", "fetchedAt": None}],
    }
    assert INSTANT.fullmatch(body["createdAt"])
    assert rest.get(f"vendors/{body['id']}").json == body
    assert rest.get("vendors").json == {"results": [body], "next": None}


def test_what_may_be_left_out_of_a_vendor_has_defaults(rest: Rest) -> None:
    body = rest.post("vendors", VENDOR).json
    assert (body["ownerId"], body["tier"], body["cadenceSeconds"]) == (None, "standard", None)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": 5}, "name"),
        ({"name": None}, "name"),
        ({"homepageUrl": "javascript:alert(1)"}, "homepageUrl"),
        ({"homepageUrl": "ftp://northwind.example"}, "homepageUrl"),
        ({"homepageUrl": "https://northwind.example/" + "x" * 500}, "homepageUrl"),
        ({"tier": "vital"}, "tier"),
        ({"cadenceSeconds": 9}, "cadenceSeconds"),
        ({"cadenceSeconds": "30"}, "cadenceSeconds"),
        ({"cadenceSeconds": 30.5}, "cadenceSeconds"),
        ({"cadenceSeconds": True}, "cadenceSeconds"),
        ({"cadenceSeconds": 2**31}, "cadenceSeconds"),
        ({"pages": {}}, "pages"),
        ({"pages": [{"url": "https://a.example"}]}, "pages"),
        ({"pages": [{"url": "https://a.example", "kind": "blog"}]}, "pages"),
        ({"pages": [{"url": "https://a.example", "kind": "sla", "x": 1}]}, "pages"),
        ({"pages": PAGES * 2}, "pages"),
        ({"pages": [{"url": f"https://a.example/{n}", "kind": "sla"} for n in range(21)]}, "pages"),
        ({"colour": "red"}, "colour"),
        ({"org": "org_x"}, "org"),
        ({"isWatched": True}, "isWatched"),
    ],
)
def test_a_bad_vendor_is_refused_by_the_key_that_is_wrong(rest: Rest, change: dict[str, object], key: str) -> None:
    refused = rest.post("vendors", VENDOR | change)
    assert (refused.status, refused.code) == (400, "validation-failed")
    assert set(refused.json["error"]["details"]) == {key}
    assert not Vendor.objects.exists()


@pytest.mark.parametrize("key", ["name", "homepageUrl", "pages"])
def test_a_vendor_needs(rest: Rest, key: str) -> None:
    refused = rest.post("vendors", {name: value for name, value in VENDOR.items() if name != key})
    assert (refused.status, set(refused.json["error"]["details"])) == (400, {key})


def test_a_vendor_is_changed_in_part(rest: Rest) -> None:
    vendor_id = rest.post("vendors", VENDOR | {"cadenceSeconds": 60, "ownerId": rest.user.pk}).json["id"]
    changed = rest.patch(f"vendors/{vendor_id}", {"isWatched": False, "cadenceSeconds": None, "ownerId": None})
    assert changed.status == 200
    assert (changed.json["isWatched"], changed.json["cadenceSeconds"], changed.json["ownerId"]) == (False, None, None)
    assert changed.json["name"] == "Northwind"
    assert len(changed.json["pages"]) == 1


def test_an_owner_is_a_member_of_the_org(rest: Rest, stranger: Rest) -> None:
    foreign = rest.post("vendors", VENDOR | {"ownerId": stranger.user.pk}, **{"X-Request-ID": "r1"})
    unknown = rest.post("vendors", VENDOR | {"ownerId": "usr_nobody"}, **{"X-Request-ID": "r1"})
    assert foreign.status == unknown.status == 403
    assert foreign.raw == unknown.raw
    colleague = make_member(rest.org)
    assert rest.post("vendors", VENDOR | {"ownerId": colleague.pk}).json["ownerId"] == colleague.pk


def test_a_requested_run_is_there_at_once_and_is_executed(rest: Rest, site: object) -> None:
    vendor = make_vendor(rest.org, pages={site.write("terms", "We keep data for 30 days."): "terms"})
    before = last_event()
    asked = rest.post("runs", {"vendorId": vendor.pk})
    assert asked.status == 202
    assert set(asked.json) == {"runId"}
    assert of_this_process().wait(10)
    run = rest.get(f"runs/{asked.json['runId']}").json
    assert run["status"] == "completed"
    assert [(stage["stage"], stage["status"]) for stage in run["stages"]][-1] == ("publish", "skipped")
    assert rest.get("runs").json["results"] == [run]
    ((_, tick),) = events(rest.org, "scheduler.tick", after=before)
    assert tick == {"vendorId": vendor.pk, "runId": run["id"], "startedAt": run["startedAt"]}


def test_a_vendor_that_is_being_run_cannot_be_run(rest: Rest) -> None:
    vendor = make_vendor(rest.org)
    run = make_run(vendor)
    before = last_event()
    refused = rest.post("runs", {"vendorId": vendor.pk})
    assert (refused.status, refused.code) == (409, "conflict")
    assert events(rest.org, after=before) == []
    assert [row["id"] for row in rest.get("runs").json["results"]] == [run.pk]


def test_a_run_shows_its_stages_in_order(rest: Rest) -> None:
    run = make_run(make_vendor(rest.org))
    RunStage.objects.create(run=run, stage="fetch", status="completed", duration_ms=12)
    RunStage.objects.create(run=run, stage="diff", status="failed", reason="it broke")
    stages = rest.get(f"runs/{run.pk}").json["stages"]
    assert [(s["stage"], s["status"], s["durationMs"], s["reason"]) for s in stages] == [
        ("fetch", "completed", 12, ""),
        ("diff", "failed", None, "it broke"),
    ]


def test_a_change_shows_everything(rest: Rest) -> None:
    vendor = make_vendor(rest.org)
    run = make_run(vendor)
    report = make_report(rest.org, vendor=vendor, run=run, severity="P1", why="because", recommendation="read it")
    citation = {"quote": "30 days", "section": "4", "url": "https://n.example", "fetchedAt": "2026-01-01T00:00:00.000Z"}
    Change.objects.create(
        report=report,
        category="data",
        materiality="material",
        section="4",
        summary="s",
        before="90",
        after="30",
        ops=[["delete", "90"], ["insert", "30"]],
        citations=[citation],
    )
    action = Action.objects.create(org=rest.org, report=report, kind="jira", target="https://secret.example/hook")
    rest.post(f"changes/{report.pk}/acknowledge", {"note": "mine"})
    body = rest.get(f"changes/{report.pk}").json
    assert rest.get("changes").json["results"] == [body]
    assert body["changes"] == [
        {
            "category": "data",
            "materiality": "material",
            "section": "4",
            "summary": "s",
            "before": "90",
            "after": "30",
            "ops": [["delete", "90"], ["insert", "30"]],
            "citations": [citation],
        }
    ]
    assert [a["id"] for a in body["actions"]] == [action.pk]
    ((at, step),) = [(t.pop("at"), t) for t in body["transitions"]]
    assert INSTANT.fullmatch(at)
    assert step == {"fromState": "new", "toState": "acknowledged", "by": rest.user.pk, "note": "mine"}
    for name in ("changes", "actions", "transitions", "detectedAt"):
        body.pop(name)
    assert body == {
        "id": report.pk,
        "vendorId": vendor.pk,
        "vendorName": "Northwind",
        "runId": run.pk,
        "severity": "P1",
        "headline": "Retention changed",
        "why": "because",
        "recommendation": "read it",
        "state": "acknowledged",
        "snoozedUntil": None,
        "resolution": "",
    }


def test_the_target_of_an_action_is_a_secret(rest: Rest) -> None:
    Action.objects.create(
        org=rest.org, report=make_report(rest.org), kind="slack", target="https://hooks.example/canary"
    )
    assert b"canary" not in rest.get("actions").raw + rest.get("changes").raw


def test_a_life_by_rest_from_new_to_resolved(rest: Rest) -> None:
    path = f"changes/{make_report(rest.org).pk}"
    before = last_event()
    until = later(hours=1)
    steps = [
        rest.post(f"{path}/snooze", {"untilAt": until.isoformat()}),
        rest.post(f"{path}/acknowledge"),
        rest.post(f"{path}/start", {"note": "n"}),
        rest.post(f"{path}/resolve", {"resolution": "no-action", "note": ""}),
    ]
    assert [step.status for step in steps] == [200] * 4
    assert [step.json["state"] for step in steps] == ["snoozed", "acknowledged", "in-progress", "resolved"]
    assert steps[0].json["snoozedUntil"][:19] == until.isoformat()[:19]
    assert [step.json["snoozedUntil"] for step in steps[1:]] == [None] * 3
    assert steps[3].json["resolution"] == "no-action"
    announced = events(rest.org, after=before)
    assert [(kind, data["state"], data["by"]) for kind, data in announced] == [
        ("change.stateChanged", step.json["state"], rest.user.pk) for step in steps
    ]


def test_a_step_that_is_not_allowed_is_a_conflict_and_emits_nothing(rest: Rest) -> None:
    report = make_report(rest.org, state="resolved")
    before = last_event()
    for step, body in [
        ("acknowledge", {}),
        ("start", {}),
        ("snooze", {"untilAt": later(hours=1).isoformat()}),
        ("resolve", {"resolution": "accepted"}),
    ]:
        refused = rest.post(f"changes/{report.pk}/{step}", body)
        assert (refused.status, refused.code) == (409, "conflict")
        assert "resolved" in refused.json["error"]["message"]
    assert events(rest.org, after=before) == []


@pytest.mark.parametrize(
    ("step", "body"),
    [
        ("snooze", {}),
        ("snooze", {"untilAt": "2001-01-01T00:00:00Z"}),
        ("snooze", {"untilAt": "tomorrow"}),
        ("snooze", {"untilAt": 5}),
        ("snooze", {"untilAt": "9999-12-31T23:59:59-23:00"}),
        ("snooze", {"untilAt": "0001-01-01T00:00:00+23:00"}),
        ("resolve", {}),
        ("resolve", {"resolution": "yes"}),
        ("resolve", {"resolution": ["accepted"]}),
        ("acknowledge", {"note": "x" * 4_001}),
        ("acknowledge", {"note": "a\0b"}),
        ("acknowledge", {"note": "\ud800"}),
        ("acknowledge", {"\ud800": 1}),
        ("acknowledge", {"until": 1}),
        ("start", []),
        ("start", "text"),
        ("start", 1.5),
        ("start", b"null"),
        ("start", b"{"),
        ("start", b"\xff"),
        ("start", b"NaN"),
        ("start", b'{"note": 1e400}'),
        ("start", b"[" * 30_000),
        ("start", b'{"note": ' + b"1" * 5_000 + b"}"),
    ],
)
def test_a_bad_body_is_refused_before_anything_is_looked_at(rest: Rest, step: str, body: object) -> None:
    report = make_report(rest.org)
    for report_id in (report.pk, "chg_unknown"):
        refused = rest.post(f"changes/{report_id}/{step}", body)
        assert (refused.status, refused.code) == (400, "validation-failed")
    assert ChangeReport.objects.get(pk=report.pk).state == "new"


def test_a_body_over_64_kib_is_too_large(rest: Rest) -> None:
    refused = rest.post(f"changes/{make_report(rest.org).pk}/start", b'{"note": "' + b"x" * 65_536 + b'"}')
    assert (refused.status, refused.code) == (413, "too-large")


def test_entitlements_are_one_row_whether_bought_or_not(rest: Rest, owner: Rest) -> None:
    nothing = {"compliancePack": False, "auditorPortal": False, "changedAt": None}
    assert rest.get("entitlements").json == {"results": [nothing], "next": None}
    assert not Entitlement.objects.exists()
    before = last_event()
    changed = owner.patch("entitlements", {"auditorPortal": True})
    assert changed.status == 200
    assert rest.get("entitlements").json["results"] == [changed.json]
    assert events(rest.org, after=before) == [("org.entitlements.changed", changed.json)]
    assert owner.patch("entitlements", {"auditorPortal": "yes"}).status == 400


def test_a_policy_is_added_and_changed(rest: Rest) -> None:
    route = {"kind": "email", "target": "legal@example.org"}
    made = rest.post("policies", {"name": "Data", "categories": ["data"], "severity": "P1", "routes": [route]})
    assert made.status == 201
    assert made.json == {
        "id": made.json["id"],
        "name": "Data",
        "categories": ["data"],
        "materiality": "material",
        "keywords": [],
        "severity": "P1",
        "routes": [route],
        "recommendation": "",
        "isActive": True,
    }
    changed = rest.patch(f"policies/{made.json['id']}", {"isActive": False})
    assert changed.json == made.json | {"isActive": False}
    assert rest.get("policies").json["results"] == [changed.json]
    assert rest.post("policies", {"name": "X", "categories": ["weather"]}).status == 400
    assert rest.post("policies", {"name": "X", "routes": [{"kind": "pigeon", "target": "x"}]}).status == 400
    assert Policy.objects.count() == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 200])
def test_following_next_gives_each_row_once_in_order(rest: Rest, limit: int) -> None:
    now = timezone.now()
    # Three rows share each instant, as rows of one transaction may.
    made = [make_report(rest.org, detected_at=now - timedelta(seconds=n // 3)).pk for n in range(7)]
    path, seen = f"changes?limit={limit}", []
    while path:
        page = rest.get(path)
        assert set(page.json) == {"results", "next"}
        seen += [(row["detectedAt"], row["id"]) for row in page.json["results"]]
        path = (page.json["next"] or "").partition("/v1/")[2]
    assert sorted(found for _, found in seen) == sorted(made)
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("list_", ["vendors", "runs", "changes", "actions", "policies", "entitlements"])
@pytest.mark.parametrize(
    "query",
    [
        *("cursor=zzz", "cursor=%00", "cursor=cD1qdW5rJTAw", "limit=0", "limit=201", "limit=-1", "limit=x"),
        *("limit=", "limit=%D9%A3", "limit=999999999999"),
    ],
)
def test_a_cursor_or_limit_that_makes_no_sense_is_refused(rest: Rest, list_: str, query: str) -> None:
    refused = rest.get(f"{list_}?{query}")
    assert (refused.status, refused.code) == (400, "validation-failed")


@pytest.mark.parametrize("list_", ["runs", "changes", "actions"])
def test_a_cursor_of_another_list_is_refused(rest: Rest, list_: str) -> None:
    for name in ("Alpha", "Beta"):
        Vendor.objects.filter(pk=make_vendor(rest.org).pk).update(name=name)
    cursor = rest.get("vendors?limit=1").json["next"].partition("cursor=")[2]
    assert rest.get(f"{list_}?cursor={cursor}").status == 400


def test_lists_are_narrowed(rest: Rest) -> None:
    one, two = make_vendor(rest.org), make_vendor(rest.org)
    make_report(rest.org, vendor=one, state="resolved")
    wanted = make_report(rest.org, vendor=one)
    make_report(rest.org, vendor=two)
    make_run(two)
    found = rest.get(f"changes?vendorId={one.pk}&state=new,acknowledged").json["results"]
    assert [row["id"] for row in found] == [wanted.pk]
    assert rest.get(f"runs?vendorId={one.pk}").json["results"] == []
    assert rest.get("changes?state=odd").status == 400
    assert rest.get("changes?state=").status == 400
    assert rest.get("changes?vendorId=").status == 400
    assert rest.get("runs?vendorId=%00").status == 400


def test_lists_cost_the_same_queries_however_long(rest: Rest, django_assert_max_num_queries: object) -> None:
    for _ in range(5):
        vendor = make_vendor(rest.org, pages={"https://a.example": "terms"})
        run = make_run(vendor)
        RunStage.objects.create(run=run, stage="fetch")
        report = make_report(rest.org, vendor=vendor, run=run)
        Change.objects.create(report=report, category="data", materiality="minor", summary="s")
        Action.objects.create(org=rest.org, report=report, kind="jira")
    for path in ("vendors", "runs", "changes", "actions"):
        with django_assert_max_num_queries(8):
            assert len(rest.get(path).json["results"]) == 5
