from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.db import connection, models
from pytest_django.fixtures import Settings

from redline.monitoring.models import ChangeReport, Vendor
from redline.workspaces.models import Org
from streaming import Event, Stream, StreamedModel
from streaming.core.stream import registry


class Checked(Event, type="test.checked"):
    pass


def told(row: Any) -> Checked:
    return Checked()


@pytest.fixture
def stream() -> Iterator[Stream]:
    made = Stream("test-checked", path="test/checked")
    yield made
    registry.forget(made)


def found() -> list[str]:
    return [message.id or "" for message in run_checks(tags=["streaming"])]


def test_the_project_itself_is_in_order() -> None:
    assert found() == []


def test_a_database_without_known_locks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "oracle")
    (message,) = run_checks(tags=["streaming"])
    assert message.id == "streaming.E001"
    assert message.msg == "streaming cannot keep its log in oracle."
    assert "PostgreSQL" in str(message.hint)


@pytest.mark.sqlite
def test_sqlite_without_immediate_transactions_is_refused(settings: Settings) -> None:
    options = settings.DATABASES["default"]["OPTIONS"]
    usual = options.pop("transaction_mode")
    try:
        assert found() == ["streaming.E002"]
    finally:
        options["transaction_mode"] = usual


def test_a_model_whose_events_would_not_be_atomic_is_refused(stream: Stream) -> None:
    stream.on_save(Vendor)(told)
    (message,) = run_checks(tags=["streaming"])
    assert (message.id, message.obj) == ("streaming.E003", Vendor)
    assert "monitoring.Vendor" in message.msg


@pytest.mark.parametrize("attribute", ["_default_manager", "_base_manager"])
def test_a_manager_that_could_write_silently_is_refused(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, attribute: str
) -> None:
    monkeypatch.setattr(ChangeReport._meta, attribute.removeprefix("_"), models.Manager())
    (message,) = run_checks(tags=["streaming"])
    assert message.id == "streaming.E004"
    assert attribute in message.msg


@pytest.mark.parametrize("rule", [{"on_change": ["run"]}, {}, {"created": False}])
def test_an_announced_key_that_a_delete_sets_to_null_is_refused(stream: Stream, rule: dict[str, Any]) -> None:
    stream.on_save(ChangeReport, **rule)(told)
    (message,) = run_checks(tags=["streaming"])
    assert message.id == "streaming.E005"
    assert "monitoring.ChangeReport.run" in message.msg


@pytest.mark.parametrize("rule", [{"on_change": ["state"]}, {"created": True}])
def test_a_key_that_nobody_announces_may_be_set_to_null(stream: Stream, rule: dict[str, Any]) -> None:
    stream.on_save(ChangeReport, **rule)(told)
    assert found() == []


def test_every_model_that_is_announced_is_checked(stream: Stream) -> None:
    stream.on_save(Vendor)(told)
    stream.on_delete(Org)(told)
    assert found() == ["streaming.E003", "streaming.E003"]
    assert not issubclass(Vendor, StreamedModel)


def test_an_app_order_that_loses_the_back_pressure_of_runserver_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    in_order = list(apps.get_app_configs())
    monkeypatch.setattr(apps, "get_app_configs", lambda: sorted(in_order, key=lambda one: one.name != "daphne"))
    assert found() == ["streaming.E008"]


TOKENS = {"JWT_JWKS_URL": "https://issuer.example/jwks", "JWT_ISSUER": "https://issuer.example", "JWT_AUDIENCE": "shop"}


@pytest.mark.parametrize(
    ("changed", "ids"),
    [
        ({}, []),
        ({"JWT_ISSUER": ""}, ["streaming.E006"]),
        ({"JWT_AUDIENCE": ""}, ["streaming.E006"]),
        ({"JWT_AUDIENCE": "", "JWT_JWKS_URL": "", "JWT_SECRET": "s" * 32}, ["streaming.E006"]),
        ({"JWT_JWKS_URL": "http://issuer.example/jwks"}, ["streaming.E007"]),
        ({"JWT_JWKS_URL": "http://127.0.0.1:9/jwks"}, []),
        ({"JWT_ISSUER": "", "JWT_AUDIENCE": "", "JWT_JWKS_URL": ""}, []),
    ],
)
def test_tokens_from_anybody_and_keys_without_tls_are_refused(
    settings: Settings, changed: dict[str, str], ids: list[str]
) -> None:
    settings.STREAMING = {**settings.STREAMING, **TOKENS, **changed}
    assert found() == ids
