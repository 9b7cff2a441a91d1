"""Settings from the environment: embedded defaults, and one line for a bad value that names the variable."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.environment import ROOT
from tests.servers import manage

BAD = {
    "DATABASE_URL": ["foo", "postgres://", "mysql://u@h/n"],
    "CHANNELS_URL": ["foo"],
    "CACHE_URL": ["foo"],
    "EMAIL_URL": ["foo"],
    "DEBUG": ["maybe"],
    "SIMPLE_MODE": ["x"],
    "REDLINE_ALLOW_PRIVATE_FETCH": ["2"],
    "TRUSTED_PROXIES": ["nginx", "10.0.0.0/99"],
    "STREAM_ALLOWED_ORIGINS": ["x", "https://a.example/path", "*"],
    "CSRF_TRUSTED_ORIGINS": ["a.example"],
    "REDLINE_FETCH_HOSTS": ["zz", "host:port"],
    "STREAM_MAX_PER_USER": ["-1", "many"],
    "EVENT_STREAM_HEARTBEAT_INTERVAL_MS": ["5", "soon"],
    "STREAM_RETENTION_DAYS": ["-1", "inf", "long"],
    "SCHEDULER_CADENCE_SECONDS": ["0", "often"],
}


def load(monkeypatch: pytest.MonkeyPatch, **values: str) -> dict[str, Any]:
    for name in BAD:
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(ROOT / "redline" / "settings.py"))


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_value_is_one_line_that_names_the_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        load(monkeypatch, **{name: value})
    assert str(refused.value).startswith(f"{name} has a bad value")
    assert "\n" not in str(refused.value)


def test_the_defaults_need_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch)
    assert settings["DATABASES"]["default"]["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert settings["CHANNEL_LAYERS"]["default"]["BACKEND"] == "channels.layers.InMemoryChannelLayer"
    assert settings["DEBUG"] is False


def test_blank_values_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, DATABASE_URL=" ", STREAM_MAX_PER_USER="", DEBUG="")
    assert settings["STREAMING"]["STREAM_MAX_PER_USER"] == 10


def test_postgresql_and_redis_by_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        monkeypatch,
        DATABASE_URL="postgres://u@h:5432/n",
        CHANNELS_URL="redis+pubsub://h:6379",
        TRUSTED_PROXIES="10.0.0.0/8,unix",
        STREAM_ALLOWED_ORIGINS="https://a.example,http://b.example:8080",
        REDLINE_FETCH_HOSTS="127.0.0.1:80,[::1]:80",
        DEBUG="yes",
    )
    assert "pool" in settings["DATABASES"]["default"]["OPTIONS"]
    assert settings["CHANNEL_LAYERS"]["default"]["BACKEND"].endswith("RedisPubSubChannelLayer")
    assert settings["TRUSTED_PROXIES"] == ["10.0.0.0/8", "unix"]
    assert settings["DEBUG"] is True


def test_the_generated_secret_is_kept_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local_secret = load(monkeypatch)["local_secret"]
    local_secret.__globals__["BASE_DIR"] = tmp_path
    first = local_secret()
    assert local_secret() == first
    assert (tmp_path / ".secret-key").stat().st_mode & 0o077 == 0
    local_secret.__globals__["BASE_DIR"] = tmp_path / "missing"
    assert local_secret() != first


@pytest.mark.servers
@pytest.mark.parametrize("command", [["check"], ["demo", "--no-browser"]])
def test_a_command_ends_with_that_line_alone(command: list[str]) -> None:
    done = manage(*command, database_url="foo")
    assert done.returncode == 2
    assert done.stderr == "DATABASE_URL has a bad value: use sqlite:///file or postgres://user@host/name\n"
    assert done.stdout == ""
