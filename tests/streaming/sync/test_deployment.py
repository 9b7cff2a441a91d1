"""Every rule of `check --deploy`, turned on by one wrong setting and off by the right one."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.core.checks import Error, run_checks
from django.db import connections
from pytest_django.fixtures import Settings

from redline.channel_layer import channel_layer
from redline.database import database
from streaming.deployment import database as database_rules
from streaming.deployment import layer, site
from tests.environment import ROOT

RULES = {rule.id: rule for rule in (*site.RULES, *layer.RULES, *database_rules.RULES)}
POSTGRES = "postgres://redline@db.example/redline"
REDIS_CACHE = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://h"}}
LOCAL_CACHE = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


class Derived(InMemoryChannelLayer):
    pass


class Site:
    """A site in good order, of which a test spoils one thing."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = settings
        self._monkeypatch = monkeypatch
        settings.ALLOWED_HOSTS = ["redline.example"]
        settings.CACHES = REDIS_CACHE
        self.layer("redis+pubsub://h")
        self.database(POSTGRES)
        self.workers("2")

    def streaming(self, **values: Any) -> None:
        self.settings.STREAMING = {**self.settings.STREAMING, **values}

    def workers(self, number: str) -> None:
        self._monkeypatch.setenv("WEB_CONCURRENCY", number)

    def layer(self, url: str, **config: Any) -> None:
        made = channel_layer(url)
        self.settings.CHANNEL_LAYERS = {"default": {**made, "CONFIG": made.get("CONFIG", {}) | config}}

    def database(self, url: str, **values: Any) -> None:
        """Have the checks see a database as the project's settings would make it; `pool` changes its pool alone."""
        made = database(url, pool_size=20)
        if "pool" in values:
            made["OPTIONS"]["pool"] = values.pop("pool")
        defaults = {"ATOMIC_REQUESTS": False, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}
        told = {**connections["default"].settings_dict, **defaults, **made, **values}
        self._monkeypatch.setattr(connections["default"], "settings_dict", told)
        self._monkeypatch.setattr(connections["default"], "vendor", url.partition("://")[0].replace("gres", "gresql"))

    def found(self) -> list[str]:
        messages = run_checks(tags=["streaming"], include_deployment_checks=True)
        return [str(message.id).removeprefix("streaming.") for message in messages]


@pytest.fixture
def prepared(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(settings, monkeypatch)


def pool(**values: Any) -> dict[str, Any]:
    return {"min_size": 1, "max_size": 20, "timeout": 2.0, **values}


def core(**host: Any) -> dict[str, Any]:
    return {"hosts": [{"address": "redis://h:6379", **host}]}


SPOILED: list[tuple[str, Callable[[Site], object]]] = [
    ("E010", lambda one: one.streaming(SIMPLE_MODE=True)),
    ("E011", lambda one: setattr(one.settings, "DEBUG", True)),
    ("E012", lambda one: one.layer("redis://h", **core(socket_timeout=5))),
    ("E012", lambda one: one.layer("redis://h", hosts=["redis://h:6379?socket_timeout=2"])),
    ("E033", lambda one: one.layer("redis+pubsub://h", hosts=["redis://h"])),
    ("E033", lambda one: one.layer("redis+pubsub://h", hosts=[])),
    ("E013", lambda one: one.layer("inmemory://")),
    ("W014", lambda one: (one.layer("inmemory://"), one.workers(""))),
    ("W014", lambda one: (one.layer("inmemory://"), one.workers("auto"))),
    ("E015", lambda one: one.layer("redis://h", group_expiry=60)),
    ("E016", lambda one: one.layer("redis://h", expiry=0)),
    ("E016", lambda one: one.layer("redis://h", capacity=0)),
    ("E017", lambda one: one.database("sqlite:///x", OPTIONS={"transaction_mode": "IMMEDIATE", "init_command": FULL})),
    ("E018", lambda one: one.database("sqlite:///x", OPTIONS={"transaction_mode": "IMMEDIATE", "init_command": WAL})),
    ("E019", lambda one: one.database(POSTGRES, CONN_MAX_AGE=60)),
    ("E019", lambda one: one.database(POSTGRES, CONN_MAX_AGE=None)),
    ("E020", lambda one: one.database(POSTGRES, ATOMIC_REQUESTS=True)),
    ("E021", lambda one: one.database(POSTGRES, pool=None)),
    ("E022", lambda one: one.database(POSTGRES, pool=pool(max_size=6))),
    ("E022", lambda one: one.database(POSTGRES, pool={"timeout": 2})),
    ("E022", lambda one: one.streaming(BRIDGE_THREADS=13)),
    ("W023", lambda one: one.database(POSTGRES, CONN_HEALTH_CHECKS=False)),
    ("W024", lambda one: one.database(POSTGRES, pool=pool(timeout=30))),
    ("E025", lambda one: setattr(one.settings, "ALLOWED_HOSTS", ["a.example", "*"])),
    ("E026", lambda one: one.streaming(STREAM_ALLOWED_ORIGINS=["*"])),
    ("E026", lambda one: setattr(one.settings, "CSRF_TRUSTED_ORIGINS", ["https://*.example"])),
    ("E027", lambda one: one.streaming(TRUSTED_PROXIES=["unix", "::/0"])),
    ("E028", lambda one: setattr(one.settings, "SECRET_KEY", "s" * 31)),
    ("E028", lambda one: setattr(one.settings, "SECRET_KEY_FALLBACKS", ["s" * 64, "former"])),
    ("E029", lambda one: one.streaming(JWT_SECRET="s" * 31, **ISSUED)),
    ("E030", lambda one: one.layer("redis+pubsub://h", symmetric_encryption_keys=["k" * 32, b"former"])),
    ("E031", lambda one: setattr(one.settings, "CACHES", LOCAL_CACHE)),
    ("W032", lambda one: (setattr(one.settings, "CACHES", LOCAL_CACHE), one.workers(""))),
]
ISSUED = {"JWT_ISSUER": "https://issuer.example", "JWT_AUDIENCE": "redline"}
WAL, FULL = "PRAGMA journal_mode=WAL;", "pragma synchronous = 2;"

IN_ORDER: list[Callable[[Site], object]] = [
    lambda one: None,
    lambda one: one.layer("redis://h"),
    lambda one: one.layer("redis://h", **core(socket_timeout=None)),
    lambda one: one.layer("redis://h", **core(socket_timeout=10)),
    lambda one: one.layer("redis://h", hosts=["redis://h:6379?socket_timeout=30"]),
    lambda one: one.layer("redis://h", hosts=[("h", 6379)]),
    lambda one: one.layer("redis://h", group_expiry=86_400, expiry=60, capacity=100),
    lambda one: (one.layer("inmemory://"), one.workers("1")),
    lambda one: (setattr(one.settings, "CACHES", LOCAL_CACHE), one.workers("1")),
    lambda one: one.database("sqlite:///x"),
    lambda one: one.database("sqlite:///x", OPTIONS={"transaction_mode": "IMMEDIATE", "init_command": FULL + WAL}),
    lambda one: one.database("sqlite:///x", CONN_MAX_AGE=None),
    lambda one: one.database(POSTGRES, pool=pool(min_size=12, max_size=None)),
    lambda one: one.streaming(STREAM_ALLOWED_ORIGINS=["https://a.example"], TRUSTED_PROXIES=["10.0.0.0/8", "unix"]),
    lambda one: one.layer("redis+pubsub://h", symmetric_encryption_keys=["k" * 32]),
    lambda one: one.streaming(JWT_SECRET="s" * 32, BRIDGE_THREADS=7, **ISSUED),
]


@pytest.mark.parametrize(("id", "spoil"), SPOILED)
def test_one_wrong_setting_is_told_by_its_rule_and_by_no_other(
    prepared: Site, id: str, spoil: Callable[[Site], object]
) -> None:
    assert prepared.found() == []
    spoil(prepared)
    assert prepared.found() == [id]


@pytest.mark.parametrize("arrange", IN_ORDER)
def test_what_is_in_order_is_not_complained_of(prepared: Site, arrange: Callable[[Site], object]) -> None:
    arrange(prepared)
    assert prepared.found() == []


@pytest.mark.parametrize(("installed", "told"), [("7.4.1", []), ("8.0.0", ["E012"]), ("10.1", ["E012"])])
def test_a_redis_client_that_gives_up_by_itself_is_told_beside_the_core_layer(
    prepared: Site, monkeypatch: pytest.MonkeyPatch, installed: str, told: list[str]
) -> None:
    monkeypatch.setattr(layer, "version", lambda name: installed)
    prepared.layer("redis://h", hosts=["redis://h:6379"])
    assert prepared.found() == told
    prepared.layer("redis+pubsub://h")
    assert prepared.found() == []


def test_a_layer_that_is_derived_from_a_known_one_is_judged_like_it(prepared: Site) -> None:
    prepared.settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.Derived"}}
    prepared.workers("2")
    assert prepared.found() == ["E013"]


def test_where_no_redis_client_is_installed_none_gives_up(prepared: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(layer, "version", absent)
    prepared.layer("redis://h", hosts=["redis://h:6379"])
    assert prepared.found() == []


def test_each_rule_is_tried_here() -> None:
    assert sorted({rule for rule, _ in SPOILED}) == sorted(RULES)


def test_each_rule_says_what_is_wrong_and_what_to_do() -> None:
    for rule in RULES.values():
        message = rule.message()
        assert message.id == f"streaming.{rule.id}"
        assert isinstance(message, Error) is rule.id.startswith("E")
        assert message.msg.endswith(".")
        assert str(message.hint).endswith(".")


def test_the_readme_lists_every_check_once() -> None:
    listed = re.findall(r"^\| ([EW]\d{3}) \|", (ROOT / "streaming" / "README.md").read_text(), re.MULTILINE)
    always = re.findall(r'id="streaming\.(E\d{3})"', (ROOT / "streaming" / "checks.py").read_text())
    assert sorted(listed) == sorted([*always, *RULES])
