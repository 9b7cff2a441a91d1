from __future__ import annotations

import pytest
from django.test import Client
from django.urls import URLPattern

from redline.monitoring.models import ChangeReport, Vendor
from redline.monitoring.urls import urlpatterns
from redline.workspaces.models import Membership, Org, Role
from tests.monitoring.world import Rest, events, last_event, make_member, make_org, make_report, make_run
from tests.monitoring.world import make_vendor as vendor_of

STEPS = {
    "acknowledge": {},
    "start": {},
    "snooze": {"untilAt": "2999-01-01T00:00:00Z"},
    "resolve": {"resolution": "accepted"},
}
VENDOR = {"name": "V", "homepageUrl": "https://v.example", "pages": []}
LISTS = ["vendors", "runs", "changes", "actions", "policies", "entitlements"]
WRITES = [
    ("POST", "vendors", VENDOR),
    ("POST", "policies", {"name": "P"}),
    *(("POST", f"changes/{{change}}/{step}", body) for step, body in STEPS.items()),
    ("PATCH", "vendors/{vendor}", {"name": "W"}),
    ("POST", "runs", {"vendorId": "{vendor}"}),
]


def theirs(org: Org) -> dict[str, str]:
    vendor = vendor_of(org)
    return {"vendor": vendor.pk, "change": make_report(org, vendor=vendor).pk, "run": make_run(vendor_of(org)).pk}


def filled(body: dict[str, object], ids: dict[str, str]) -> dict[str, object]:
    return {name: value.format(**ids) if isinstance(value, str) else value for name, value in body.items()}


UNKNOWN = {"vendor": "vnd_unknown", "change": "chg_unknown", "run": "run_unknown", "policy": "pol_unknown"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "vendors/{vendor}", None),
        ("GET", "changes/{change}", None),
        ("GET", "runs/{run}", None),
        *(write for write in WRITES if "{" in write[1] or write[1] == "runs"),
    ],
)
def test_what_is_foreign_and_what_does_not_exist_are_told_apart_by_no_byte(
    rest: Rest, stranger: Rest, method: str, path: str, body: dict[str, object] | None
) -> None:
    ids = theirs(stranger.org)
    before = last_event()
    foreign = rest.ask(method, path.format(**ids), body and filled(body, ids), **{"X-Request-ID": "same"})
    unknown = rest.ask(method, path.format(**UNKNOWN), body and filled(body, UNKNOWN), **{"X-Request-ID": "same"})
    assert (foreign.status, foreign.code) == (403, "forbidden")
    assert foreign.raw == unknown.raw
    assert dict(foreign.headers) == dict(unknown.headers)
    assert events(stranger.org, after=before) == []


@pytest.mark.parametrize(
    "id", ["", "x", "chg", "chg_", "CHG_abc", "chg_a%0A", "chg_%C3%A9", "chg_" + "a" * 61, "a%00b"]
)
@pytest.mark.parametrize("tail", ["", "/acknowledge", "/snooze"])
def test_a_malformed_or_empty_id_is_a_bad_request(rest: Rest, id: str, tail: str) -> None:
    if not id and not tail:
        return  # that is the list
    method = "POST" if tail else "GET"
    refused = rest.ask(method, f"changes/{id}{tail}", STEPS.get(tail.lstrip("/")))
    assert (refused.status, refused.code) == (400, "validation-failed")


@pytest.mark.parametrize("vendor_id", ["", "x", "vnd_", "vnd_a\n", 5, None, [], {}])
def test_a_malformed_id_in_a_body_is_a_bad_request(rest: Rest, vendor_id: object) -> None:
    assert rest.post("runs", {"vendorId": vendor_id}).status == 400


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("vendors/{vendor}", {"pages": [{"kind": "terms"}]}, {"pages": {"0": {"url": ["This field is required."]}}}),
        (
            "policies/{policy}",
            {"routes": [{"kind": "slack"}]},
            {"routes": {"0": {"target": ["This field is required."]}}},
        ),
    ],
)
def test_a_change_may_leave_out_keys_but_not_those_of_a_part(
    rest: Rest, path: str, body: dict[str, object], detail: dict[str, object]
) -> None:
    policy = rest.post("policies", {"name": "P"}).json["id"]
    refused = rest.patch(path.format(vendor=vendor_of(rest.org).pk, policy=policy), body)
    assert (refused.status, refused.json["error"]["details"]) == (400, detail)


@pytest.mark.parametrize("list_", LISTS)
def test_lists_hold_the_orgs_own_rows_only(rest: Rest, stranger: Rest, list_: str) -> None:
    theirs(stranger.org)
    assert [row for row in rest.get(list_).json["results"] if "id" in row] == []


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_a_viewer_sees_and_does_not_act(viewer: Rest, method: str, path: str, body: dict[str, object]) -> None:
    ids = theirs(viewer.org)
    before = last_event()
    assert viewer.get("changes").status == viewer.get(f"changes/{ids['change']}").status == 200
    refused = viewer.ask(method, path.format(**ids), filled(body, ids))
    assert (refused.status, refused.code) == (403, "forbidden")
    assert events(viewer.org, after=before) == []
    assert (Vendor.objects.count(), ChangeReport.objects.get().state) == (2, "new")


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("admin", 200), ("member", 403), ("viewer", 403)])
def test_entitlements_are_set_by_owner_and_admin(org: Org, role: Role, status: int) -> None:
    rest = Rest(make_member(org, role), org)
    before = last_event()
    assert rest.patch("entitlements", {"compliancePack": True}).status == status
    assert len(events(org, after=before)) == (status == 200)


@pytest.mark.parametrize("path", [*LISTS, "vendors/vnd_x", "changes/chg_x"])
def test_who_is_no_member_any_more_sees_nothing(rest: Rest, path: str) -> None:
    Membership.objects.filter(user=rest.user).delete()
    refused = rest.get(path)
    assert (refused.status, refused.code) == (403, "forbidden")


@pytest.mark.parametrize("path", [*LISTS, "vendors/vnd_x", "changes/chg_x", "changes/bad"])
def test_nobody_sees_nothing(transactional_db: None, path: str) -> None:
    answer = Client().get(f"/v1/{path}")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "unauthenticated"


def test_a_bad_token_is_not_made_good_by_a_session(rest: Rest) -> None:
    client = Client()
    client.force_login(rest.user)
    assert client.get("/v1/vendors").status_code == 200
    assert client.get("/v1/vendors", headers={"Authorization": "Bearer rl_bad"}).status_code == 401


def test_a_session_user_works_in_the_org_that_is_asked_for(rest: Rest, stranger: Rest) -> None:
    Membership.objects.create(org=stranger.org, user=rest.user, role=Role.MEMBER)
    make_report(rest.org), make_report(stranger.org)
    client = Client()
    client.force_login(rest.user)
    for query, org in [("", rest.org), (f"?org={stranger.org.slug}", stranger.org), (f"?org={rest.org.pk}", rest.org)]:
        (row,) = client.get(f"/v1/changes{query}").json()["results"]
        assert ChangeReport.objects.get(pk=row["id"]).org_id == org.pk
    foreign = make_org()
    assert [client.get(f"/v1/changes?org={org}").status_code for org in (foreign.slug, "nowhere")] == [403, 403]


def test_a_session_needs_its_csrf_token_to_act_and_none_to_see(rest: Rest) -> None:
    report = make_report(rest.org)
    client = Client(enforce_csrf_checks=True)
    client.force_login(rest.user)
    assert client.get("/v1/changes").status_code == 200
    refused = client.post(f"/v1/changes/{report.pk}/acknowledge", {}, content_type="application/json")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    client.get("/admin/login/")
    token = client.cookies["csrftoken"].value
    done = client.post(
        f"/v1/changes/{report.pk}/acknowledge", {}, content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert done.status_code == 200
    assert done.json()["transitions"][0]["by"] == rest.user.pk


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", ["vendors", "changes/x"])
def test_a_method_that_is_not_allowed_comes_before_everything_else(
    transactional_db: None, method: str, path: str
) -> None:
    answer = Client().generic(method, f"/v1/{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method-not-allowed")
    assert "GET" in answer.headers["Allow"]


def test_get_is_not_allowed_where_one_acts(transactional_db: None) -> None:
    answer = Client().get("/v1/changes/chg_x/acknowledge")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")


def test_head_answers_like_get_and_options_is_empty(rest: Rest) -> None:
    assert (rest.ask("HEAD", "vendors").status, rest.ask("HEAD", "vendors").raw) == (200, b"")
    assert Client().options("/v1/vendors").status_code == 204


@pytest.mark.parametrize("path", [*LISTS, "changes/{change}", "vendors/{vendor}", "runs/{run}"])
def test_a_trailing_slash_is_the_same_route(rest: Rest, path: str) -> None:
    path = path.format(**theirs(rest.org))
    assert rest.get(f"{path}/").raw == rest.get(path).raw
    assert rest.get(f"{path}/").status == 200


def test_every_route_has_its_twin_with_a_slash() -> None:
    routes = {str(pattern.pattern) for pattern in urlpatterns if isinstance(pattern, URLPattern)}
    plain = {route for route in routes if not route.endswith("/")} - {"openapi.json"}
    assert routes - plain - {"openapi.json"} == {f"{route}/" for route in plain}


def test_the_same_request_id_comes_back_in_header_and_envelope(rest: Rest) -> None:
    refused = rest.get("changes/chg_x", **{"X-Request-ID": "abc.1-2_3"})
    assert refused.headers["X-Request-ID"] == refused.json["error"]["requestId"] == "abc.1-2_3"
    made = rest.get("changes/chg_x", **{"X-Request-ID": "no spaces"})
    assert made.headers["X-Request-ID"] == made.json["error"]["requestId"] != "no spaces"


def test_only_json_is_read(rest: Rest) -> None:
    client = Client(headers={"Authorization": f"Bearer {rest.secret}"})
    report = make_report(rest.org)
    answer = client.post(f"/v1/changes/{report.pk}/acknowledge", {"note": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "validation-failed")


def test_the_last_instant_that_there_is_can_be_snoozed_to(rest: Rest) -> None:
    report = make_report(rest.org)
    assert rest.post(f"changes/{report.pk}/snooze", {"untilAt": "9999-12-31T23:59:59Z"}).status == 200
    assert rest.get("changes").json["results"][0]["snoozedUntil"] == "9999-12-31T23:59:59.000Z"
