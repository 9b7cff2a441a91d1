"""Which addresses are refused, and that one bad answer refuses the name."""

from __future__ import annotations

import ipaddress
import socket
import threading

import pytest

from redline.monitoring.pipeline.address import PUBLIC_ONLY, Allow, is_public, resolve
from redline.monitoring.pipeline.errors import FetchError

INNER = """
127.0.0.1 127.8.9.10 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1
100.127.255.254 192.0.0.1 192.0.2.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1
255.255.255.255 :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::808:808
64:ff9b:1::1 2002:7f00:1::1 2002:808:808::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 fc00::1 fd12:3456::1 fe80::1
fe80::1%1 fec0::1 ff02::1 2001:db8::1 100::1
""".split()
OUTER = (
    "8.8.8.8 1.1.1.1 93.184.216.34 100.63.255.255 100.128.0.0 172.32.0.1 2606:4700::1111 2a00:1450:4001::200e".split()
)


def answering(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name resolve to `addresses`."""

    def getaddrinfo(host: object, port: object, **_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize("address", INNER)
def test_an_inner_or_wrapped_address_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OUTER)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "2130706433", "0x7f.1", "0177.0.0.1", "0"])
def test_every_spelling_of_loopback_is_refused(host: str) -> None:
    with pytest.raises(FetchError, match="is not public"):
        resolve(host, 80, allow=PUBLIC_ONLY, timeout=5)


def test_one_inner_address_among_public_ones_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "93.184.216.34", "10.1.2.3")
    with pytest.raises(FetchError, match=r"address 10\.1\.2\.3 is not public"):
        resolve("vendor.example", 443, allow=PUBLIC_ONLY, timeout=5)


def test_public_answers_come_back_once_each_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "93.184.216.34", "8.8.8.8", "93.184.216.34")
    assert resolve("vendor.example", 443, allow=PUBLIC_ONLY, timeout=5) == ("93.184.216.34", "8.8.8.8")


def test_an_allowed_host_is_allowed_at_its_port_only() -> None:
    allow = Allow(hosts=frozenset({"127.0.0.1:8000", "[::1]:8001"}))
    assert resolve("127.0.0.1", 8000, allow=allow, timeout=5) == ("127.0.0.1",)
    assert allow.covers("::1", 8001)
    for port in (80, 8001):
        with pytest.raises(FetchError, match="is not public"):
            resolve("127.0.0.1", port, allow=allow, timeout=5)


def test_private_addresses_can_be_allowed_as_a_whole() -> None:
    assert resolve("127.0.0.1", 1, allow=Allow(private=True), timeout=5) == ("127.0.0.1",)


def test_an_unknown_name_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(FetchError, match=r"^no such host: gone\.example$"):
        resolve("gone.example", 443, allow=PUBLIC_ONLY, timeout=5)


def test_a_name_server_that_hangs_costs_no_more_than_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[object]:
        release.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(TimeoutError):
        resolve("slow.example", 443, allow=PUBLIC_ONLY, timeout=0.05)
    release.set()
