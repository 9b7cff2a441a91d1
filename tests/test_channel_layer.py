from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import SSLConnection
from redis.asyncio.sentinel import SentinelManagedSSLConnection

from redline.channel_layer import channel_layer

CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"


def hosts(url: str, **told: Any) -> list[dict[str, Any]]:
    return list(channel_layer(url, **told)["CONFIG"]["hosts"])


def test_the_layer_in_memory_has_nothing_to_configure() -> None:
    assert channel_layer("inmemory://") == {"BACKEND": "channels.layers.InMemoryChannelLayer"}


@pytest.mark.parametrize(
    ("url", "backend", "told"),
    [
        ("redis+pubsub://h:6380/2", PUBSUB, {"host": "h", "port": 6380, "db": 2}),
        ("rediss+pubsub://u:p@h/1?ssl_ca_certs=/ca", PUBSUB, {"username": "u", "password": "p", "ssl_ca_certs": "/ca"}),
        ("redis://h", CORE, {"host": "h"}),
        ("rediss://:p%2C@h:1", CORE, {"password": "p,", "port": 1}),
    ],
)
def test_the_scheme_chooses_the_layer_and_tls(url: str, backend: str, told: dict[str, Any]) -> None:
    assert channel_layer(url)["BACKEND"] == backend
    (host,) = hosts(url)
    assert told.items() <= host.items()
    assert issubclass(host["connection_class"], SSLConnection) is url.startswith("rediss")


def test_several_hosts_share_credentials_database_and_options() -> None:
    found = hosts("redis+pubsub://u:p@a:1,b:2,[::1]:3/4?socket_timeout=2")
    assert [(host["host"], host["port"]) for host in found] == [("a", 1), ("b", 2), ("::1", 3)]
    names = ("username", "password", "db", "socket_timeout")
    assert [[host[name] for name in names] for host in found] == [["u", "p", 4, 2.0]] * 3


def test_nothing_waits_long_for_redis_but_the_core_layer_for_a_message() -> None:
    assert hosts("redis+pubsub://h")[0]["socket_timeout"] == 1
    assert hosts("redis://h")[0]["socket_timeout"] > 5
    assert {host["socket_connect_timeout"] for url in ("redis://a,b", "redis+pubsub://c") for host in hosts(url)} == {1}


def test_sentinels_are_asked_for_the_master_whose_credentials_the_url_has() -> None:
    (host,) = hosts("rediss+pubsub://u:p@a:1,b/3?health_check_interval=7", sentinel_master="main")
    assert host["sentinels"] == [("a", 1), ("b", 26_379)]
    chosen = ("master_name", "username", "password", "db", "health_check_interval")
    assert [host[name] for name in chosen] == ["main", "u", "p", 3, 7]
    assert issubclass(host["connection_class"], SentinelManagedSSLConnection)
    assert host["sentinel_kwargs"]["ssl"] is True
    assert "password" not in host["sentinel_kwargs"]
    (plain,) = hosts("redis://a", sentinel_master="main")
    assert not issubclass(plain["connection_class"], SSLConnection)


def test_two_sentinels_that_are_away_leave_time_for_the_third() -> None:
    asking = hosts("redis+pubsub://a,b,c", sentinel_master="main")[0]["sentinel_kwargs"]
    assert 2 * asking["socket_connect_timeout"] < 0.25
    assert asking["retry"].get_retries() == 0


def test_keys_encrypt_what_is_in_redis() -> None:
    config = channel_layer("redis+pubsub://h", encryption_keys=["new", "former"])["CONFIG"]
    assert config["symmetric_encryption_keys"] == ["new", "former"]
    assert "symmetric_encryption_keys" not in channel_layer("redis+pubsub://h")["CONFIG"]


@pytest.mark.parametrize("url", ["foo", "http://h", "redis://", "redis+pubsub://a,", "redis://u:p@", "redis://h:port"])
def test_what_names_no_layer_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        channel_layer(url)
