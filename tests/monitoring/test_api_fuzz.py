from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redline.workspaces.models import Org
from tests.monitoring.world import Rest, make_member, make_report, make_vendor

KEYS = """name homepageUrl ownerId tier cadenceSeconds pages url kind isWatched vendorId note untilAt resolution
    categories materiality keywords severity routes target recommendation isActive compliancePack
    auditorPortal""".split()
WORDS = ["critical", "terms", "https://a.example", "2999-01-01T00:00:00Z", "accepted", "data", "P1", "email", "vnd_x"]

text = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=30),
    st.sampled_from(["\0", "a\0b", "\ud800", "b\udfff", "\ufeff", "\u2028"]),
)
number = st.one_of(
    st.integers(), st.integers(-(10**30), 10**30), st.floats(allow_nan=False, allow_infinity=False), st.just(1e308)
)
value = st.recursive(
    st.one_of(st.none(), st.booleans(), number, text),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | text, inner, max_size=5),
    max_leaves=12,
)
body = st.one_of(value, st.dictionaries(st.sampled_from(KEYS), value, max_size=8))
raw = st.one_of(st.binary(max_size=60), body.map(lambda made: json.dumps(made).encode()))

CODES = {400: "validation-failed", 403: "forbidden", 404: "not-found", 409: "conflict", 413: "too-large"}


@pytest.fixture
def paths(org: Org) -> tuple[Rest, list[tuple[str, str]]]:
    vendor, report = make_vendor(org), make_report(org)
    steps = [("POST", f"changes/{report.pk}/{step}") for step in ("acknowledge", "start", "snooze", "resolve")]
    rest = Rest(make_member(org, "owner"), org)
    return rest, [
        *steps,
        ("POST", "vendors"),
        ("PATCH", f"vendors/{vendor.pk}"),
        ("POST", "runs"),
        ("POST", "policies"),
        ("PATCH", "entitlements"),
    ]


def held(answer: Any) -> None:
    """The documented envelope, or a success; never an error of ours."""
    assert answer.status < 500
    if answer.status >= 400:
        error = answer.json["error"]
        assert {"code", "message", "requestId"} <= set(error) <= {"code", "message", "requestId", "details"}
        assert error["code"] == CODES[answer.status]


fixtures_are_shared = [HealthCheck.function_scoped_fixture]


@settings(max_examples=300, suppress_health_check=fixtures_are_shared)
@given(data=st.data(), content=raw)
def test_no_body_whatever_it_is_breaks_a_route(
    paths: tuple[Rest, list[tuple[str, str]]], data: st.DataObject, content: bytes
) -> None:
    rest, routes = paths
    method, path = data.draw(st.sampled_from(routes))
    held(rest.ask(method, path, content))


@settings(max_examples=100, suppress_health_check=fixtures_are_shared)
@given(data=st.data(), text=text, name=st.sampled_from(["cursor", "limit", "state", "vendorId", "org"]))
def test_no_query_whatever_it_is_breaks_a_list(
    paths: tuple[Rest, list[tuple[str, str]]], data: st.DataObject, text: str, name: str
) -> None:
    rest, _ = paths
    path = data.draw(st.sampled_from(["vendors", "runs", "changes", "actions", "policies", "entitlements"]))
    query = {name: text.encode("utf-8", "surrogatepass").decode("latin-1")}
    answer = Client(headers={"Authorization": f"Bearer {rest.secret}"}).get(f"/v1/{path}", query)
    assert answer.status_code in (200, 400, 403)
