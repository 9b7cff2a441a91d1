from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from redline.workspaces import telemetry
from redline.workspaces.telemetry import Kind
from tests.monitoring.world import make_member, make_org

pytestmark = pytest.mark.django_db

URL = "/api/v1/events/telemetry"
AT = "2026-03-01T09:00:00.000Z"
RECORD = {"type": "fallback", "at": AT, "attempts": 5}


@pytest.fixture
def page() -> Client:
    client = Client(enforce_csrf_checks=True, headers={"Sec-Fetch-Site": "same-origin"})
    client.force_login(make_member(make_org()))
    return client


def tell(page: Client, told: Any, **headers: str) -> Any:
    body = told if isinstance(told, str) else json.dumps(told)
    return page.post(URL, body, content_type="application/json", headers=headers)


def test_each_kind_is_counted_and_logged(page: Client, caplog: pytest.LogCaptureFixture) -> None:
    before = {kind: telemetry.counted(kind) for kind in Kind}
    records = [
        RECORD,
        {"type": "degraded", "at": AT, "durationMs": 14_000},
        {"type": "reconnect", "at": AT, "durationMs": 1200.5, "attempts": 2},
        {"type": "latency", "at": AT, "durationMs": 38},
        {"type": "latency", "at": AT, "durationMs": 11},
    ]
    with caplog.at_level("INFO", logger="redline.telemetry"):
        answer = tell(page, records)
    assert (answer.status_code, answer.content) == (204, b"")
    assert [telemetry.counted(kind) - before[kind] for kind in Kind] == [1, 1, 1, 2]
    assert "kind=reconnect durationMs=1200.5 attempts=2" in caplog.text
    assert tell(page, RECORD).status_code == 204, "one without a list"
    assert page.post(f"{URL}/", json.dumps(RECORD), content_type="application/json").status_code == 204


def test_a_cookie_counts_only_from_a_page_of_ours(page: Client, settings: Settings) -> None:
    listed = "https://app.example"
    assert tell(page, RECORD, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert tell(page, RECORD, **{"Sec-Fetch-Site": "cross-site", "Origin": listed}).status_code == 403
    settings.STREAMING = {**settings.STREAMING, "STREAM_ALLOWED_ORIGINS": [listed]}
    assert tell(page, RECORD, **{"Sec-Fetch-Site": "cross-site", "Origin": listed}).status_code == 204
    assert Client().post(URL, "{}", content_type="application/json").status_code == 401


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("nonsense", 400),
        ({}, 400),
        ("5", 400),
        ([5], 400),
        ({**RECORD, "type": "other"}, 400),
        ({**RECORD, "at": "soon"}, 400),
        ({**RECORD, "attempts": -1}, 400),
        ({**RECORD, "attempts": "5"}, 400),
        ({**RECORD, "durationMs": "5"}, 400),
        ({**RECORD, "durationMs": -0.1}, 400),
        ({**RECORD, "durationMs": 1e300}, 400),
        ({**RECORD, "durationMs": 10**400}, 400),
        ('{"type":"latency","at":"2026-03-01T09:00:00Z","durationMs":NaN}', 400),
        ({**RECORD, "who": "ann"}, 400),
        ([RECORD] * 21, 400),
        ([RECORD] * 20, 204),
        ([], 204),
        (json.dumps(RECORD) + " " * 4_096, 413),
    ],
)
def test_what_is_malformed_counts_for_nothing(page: Client, told: Any, status: int) -> None:
    before = telemetry.counted(Kind.FALLBACK)
    answer = tell(page, told)
    assert answer.status_code == status, answer.content
    assert telemetry.counted(Kind.FALLBACK) - before == (20 if told == [RECORD] * 20 else 0)
    if status != 204:
        assert answer.json()["error"]["code"] in ("validation-failed", "too-large")
