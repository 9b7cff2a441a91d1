from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client


@pytest.fixture
def schema(transactional_db: None) -> Any:
    return Client().get("/v1/openapi.json").json()


def test_the_schema_is_made_without_a_warning(tmp_path: Any) -> None:
    call_command("spectacular", "--fail-on-warn", "--validate", "--file", str(tmp_path / "schema.yml"))


def test_it_is_json_and_readable_without_signing_in(transactional_db: None) -> None:
    answer = Client().get("/v1/openapi.json")
    assert answer.status_code == 200
    assert "json" in answer.headers["Content-Type"]


def test_it_knows_every_route_once(schema: Any) -> None:
    paths = {path for path in schema["paths"] if path.startswith("/v1/")}
    assert {f"/v1/{name}" for name in ("vendors", "runs", "changes", "actions", "policies", "entitlements")} <= paths
    assert {f"/v1/changes/{{id}}/{step}" for step in ("acknowledge", "start", "snooze", "resolve")} <= paths
    assert not [path for path in paths if path.endswith("/")]


def test_every_answer_of_a_write_is_described(schema: Any) -> None:
    for path, methods in schema["paths"].items():
        if not path.startswith("/v1/changes/{id}/"):
            continue
        assert set(methods["post"]["responses"]) == {"200", "400", "401", "403", "409", "413"}


def test_bodies_name_what_they_need(schema: Any) -> None:
    vendor = schema["components"]["schemas"]["VendorBody"]
    assert set(vendor["required"]) == {"name", "homepageUrl", "pages"}
    assert vendor["properties"]["cadenceSeconds"]["minimum"] == 10
    kind = schema["components"]["schemas"]["PageBody"]["properties"]["kind"]
    assert kind["enum"] == ["terms", "privacy", "pricing", "subprocessors", "sla", "security", "other"]
