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
    "DATABASE_URL": [
        "foo",
        "postgres://",
        "mysql://u@h/n",
        "postgres://u@h/n?conn_max_age=60",
        "postgres://u@h:port/n",
    ],
    "DATABASE_POOL_SIZE": ["-1", "many"],
    "CHANNELS_URL": ["foo", "redis+pubsub://", "redis://h:port"],
    "CACHE_URL": ["foo"],
    "EMAIL_URL": ["foo"],
    "DEBUG": ["maybe"],
    "JWT_SECRET": ["s" * 31],
    "JWT_JWKS_URL": ["http://issuer.example/jwks", "issuer.example/jwks", "https://", "file:///etc/passwd"],
    "HTTPS_ONLY": ["maybe"],
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


UNPARSABLE = {
    "DATABASE_URL": ("postgres", "/?"),
    "CHANNELS_URL": ("redis+pubsub", "/#?[℀"),
    "CACHE_URL": ("rediscache", "[℀"),
    "EMAIL_URL": ("smtp", "/#?[℀"),
    "JWT_JWKS_URL": ("https", "[℀"),
}
"""By what, in a password, the parser of each is confused."""


@pytest.mark.parametrize(("name", "sign"), [(name, sign) for name, (_, signs) in UNPARSABLE.items() for sign in signs])
def test_why_a_url_is_bad_is_told_without_any_part_of_it(name: str, sign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scheme, _ = UNPARSABLE[name]
    with pytest.raises(ImproperlyConfigured) as refused:
        load(monkeypatch, **{name: f"{scheme}://redline:pa{sign}ss-secret@db/x"})
    assert str(refused.value) == f"{name} has a bad value: it is no URL; in a password / # ? @ must be percent-encoded"


@pytest.mark.parametrize("key", [{"JWT_SECRET": "s" * 32}, {"JWT_JWKS_URL": "https://issuer.example/jwks"}])
@pytest.mark.parametrize("missing", ["JWT_ISSUER", "JWT_AUDIENCE"])
def test_who_takes_tokens_says_from_whom_and_for_whom(
    key: dict[str, str], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = {**key, "JWT_ISSUER": "https://issuer.example", "JWT_AUDIENCE": "redline"}
    assert load(monkeypatch, **chosen)["STREAMING"].items() >= chosen.items()
    with pytest.raises(ImproperlyConfigured, match=rf"^{missing} has a bad value"):
        load(monkeypatch, **{**chosen, missing: " "})


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/jwks", "http://localhost/jwks", "http://[::1]:9/jwks"])
def test_keys_may_come_without_tls_from_this_very_host(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    about = {"JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}
    assert load(monkeypatch, JWT_JWKS_URL=url, **about)["STREAMING"]["JWT_JWKS_URL"] == url
    elsewhere = "http://issuer.example/jwks"
    assert load(monkeypatch, JWT_JWKS_URL=elsewhere, DEBUG="1", **about)["STREAMING"]["JWT_JWKS_URL"] == elsewhere


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


def test_https_is_asked_for_by_one_variable_and_plain_http_works_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS"]
    assert set(names) & set(load(monkeypatch)) == set()
    settings = load(monkeypatch, HTTPS_ONLY="1", HSTS_SECONDS="60")
    assert [settings[name] for name in names] == [True, True, True, 60]
    assert settings["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")


def test_several_redis_hosts_keys_and_a_cache_by_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        monkeypatch,
        DATABASE_URL="postgres://u@h/n",
        DATABASE_POOL_SIZE="17",
        CHANNELS_URL="rediss+pubsub://a:1,b:2/0",
        CHANNELS_SENTINEL_MASTER="main",
        CHANNELS_ENCRYPTION_KEYS="new,former",
        CACHE_URL="redis://h:6379/1?socket_timeout=3",
    )
    assert settings["DATABASES"]["default"]["OPTIONS"]["pool"]["max_size"] == 17
    config = settings["CHANNEL_LAYERS"]["default"]["CONFIG"]
    assert [host["sentinels"] for host in config["hosts"]] == [[("a", 1), ("b", 2)]]
    assert config["symmetric_encryption_keys"] == ["new", "former"]
    cache = settings["CACHES"]["default"]
    assert cache["LOCATION"] == "redis://h:6379/1"
    assert cache["OPTIONS"] == {"socket_connect_timeout": 1, "socket_timeout": 3}


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


AWAY = "postgres://redline:secret-word@127.0.0.1:1/redline"


@pytest.mark.servers
@pytest.mark.parametrize(
    "command", [["migrate"], ["token", "acme", "ada"], ["scheduler", "--once"], ["trim"], ["demo", "--no-browser"]]
)
def test_a_database_that_is_away_ends_a_command_with_one_line_that_says_why(command: list[str]) -> None:
    done = manage(*command, database_url=AWAY)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("the database refused: connection failed")
    assert "secret-word" not in done.stderr


@pytest.mark.servers
def test_the_traceback_is_there_for_who_asks() -> None:
    done = manage("migrate", "--traceback", database_url=AWAY)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
