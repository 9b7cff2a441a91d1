"""Which addresses the pipeline may talk to.

A vendor page's URL is typed in by a user, so it is a stranger's wish to have this server open a connection. Promises:
a name is resolved once, every address of the answer is judged, and what comes back is what to connect to; nothing
resolves the name again. Refuses every address that is not public unicast, also when it is wrapped in IPv6 (mapped,
6to4, NAT64), unless `Allow` says otherwise. One bad address among good ones refuses the whole name: a mixed answer is
how a rebinding server probes.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from dataclasses import dataclass, field

from redline.monitoring.pipeline.errors import FetchError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Ranges that carry an IPv4 address inside; Python's `is_global` judges them differently from version to version.
_WRAPPERS = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "::/96",  # IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # NAT64, local use
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "fec0::/10",  # site-local, deprecated and still routed in places
    )
)
_CARRIER_GRADE_NAT = ipaddress.IPv4Network("100.64.0.0/10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """Exceptions to "public addresses only": all private ones, or the listed `host:port` as they stand in the URL."""

    private: bool = False
    hosts: frozenset[str] = field(default_factory=frozenset)

    def covers(self, host: str, port: int) -> bool:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return self.private or shown.lower() in {entry.lower() for entry in self.hosts}


PUBLIC_ONLY = Allow()


def is_public(address: Address) -> bool:
    """Whether an address is unicast and reachable by anyone; a wrapped IPv4 address never is."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id or any(address in network for network in _WRAPPERS):
            return False
    elif address in _CARRIER_GRADE_NAT:
        return False
    refused = (
        address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or address.is_loopback
        or address.is_link_local
        or address.is_private
    )
    return address.is_global and not refused


def resolve(host: str, port: int, *, allow: Allow, timeout: float) -> tuple[str, ...]:
    """The addresses to connect to, in the resolver's order. Raises `FetchError` for unknown or inner ones."""
    addresses = _look_up(host, port, timeout=timeout)
    if not allow.covers(host, port):
        for address in addresses:
            if not is_public(ipaddress.ip_address(address)):
                raise FetchError(f"address {address} is not public")
    return addresses


def _look_up(host: str, port: int, *, timeout: float) -> tuple[str, ...]:
    # getaddrinfo takes no timeout and a dead name server holds it for 30 s or more; a daemon thread can be left behind.
    answers: list[str] = []
    failures: list[Exception] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            answers.extend(dict.fromkeys(str(entry[4][0]) for entry in found))
        except (OSError, UnicodeError) as error:
            failures.append(error)

    thread = threading.Thread(target=ask, name="resolve", daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        raise TimeoutError(f"resolving {host}")
    if failures or not answers:
        raise FetchError(f"no such host: {host}") from (failures[0] if failures else None)
    return tuple(answers)
