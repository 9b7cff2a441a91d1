"""One HTTP request as the consumers see it, and the ways to answer it whole.

Reads what ASGI gives: header names in lower case, a header that comes twice joined, the query as Django reads it. The
client's address honours `TRUSTED_PROXIES` and nothing else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import cached_property
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import QueryDict

from streaming import conf
from streaming.core import sse, wire
from streaming.core.errors import CloseReason, Refused
from streaming.request_id import request_id_of

Headers = list[tuple[bytes, bytes]]

VARY = (b"vary", b"Authorization, Cookie, Origin")


class Exchange:
    def __init__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Any],
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.started = False
        self.headers = joined(scope.get("headers", ()))
        self.request_id = request_id_of(self.headers.get("x-request-id", ""))

    @property
    def method(self) -> str:
        return str(self.scope.get("method", "GET"))

    @cached_property
    def query(self) -> QueryDict:
        """The query; raises `Refused` where it is not one."""
        try:
            return QueryDict(self.scope.get("query_string", b"").decode("latin-1"))
        except SuspiciousOperation:
            raise bad_query("The query has too many parameters.") from None

    def parameter(self, name: str, default: str = "") -> str:
        """Return a query parameter's last value."""
        return str(self.query.get(name, default))

    @property
    def path(self) -> dict[str, str]:
        """The path's parameters."""
        return dict(self.scope.get("url_route", {}).get("kwargs", {}))

    @cached_property
    def address(self) -> str:
        """The client's address, as far as trusted proxies tell it; empty on a Unix socket."""
        client = (self.scope.get("client") or [""])[0] or ""
        trusted = conf.streaming.TRUSTED_PROXIES
        hops = [hop.strip() for hop in self.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
        while hops and trusted and _is_among(client, trusted):
            client = hops.pop()
        return client

    async def answer(self, status: int, body: bytes = b"", *, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole response."""
        named = {"Content-Length": str(len(body)), **(headers or {})}
        if body:
            named.setdefault("Content-Type", "application/json")
        await self.start(status, named)
        await self.send({"type": "http.response.body", "body": b"" if self.method == "HEAD" else body})

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        self.started = True
        pairs: Headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        pairs += [(b"x-request-id", self.request_id.encode()), VARY, *self._cors()]
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})

    async def refuse(self, refusal: Refused, *, in_band: bool) -> None:
        """Answer with the error envelope; or, for a native EventSource, tell a temporary refusal as a stream."""
        if in_band and refusal.temporary:
            retry = int(float(refusal.headers.get("Retry-After", "3")) * 1000)
            data = {"reason": CloseReason.UNAVAILABLE, "reconnect": True, "retryMs": retry}
            await self.start(200, STREAM_HEADERS)
            body = sse.control("stream.closing", data, retry=retry)
            await self.send({"type": "http.response.body", "body": body})
            return
        error: dict[str, Any] = {
            "code": refusal.code,
            "message": refusal.message,
            "requestId": self.request_id,
        }
        if refusal.details:
            error["details"] = refusal.details
        headers = {"Cache-Control": "no-store", **refusal.headers}
        await self.answer(refusal.status, wire.canonical({"error": error}), headers=headers)

    @property
    def listed_origin(self) -> bool:
        return self.headers.get("origin", "") in conf.streaming.STREAM_ALLOWED_ORIGINS

    def _cors(self) -> Headers:
        if "origin" not in self.headers or not self.listed_origin:
            return []
        return [
            (b"access-control-allow-origin", self.headers["origin"].encode("latin-1")),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", b"X-Request-ID, Retry-After"),
        ]

    async def preflight(self, allowed: str) -> None:
        """Answer OPTIONS; `allowed` are the methods of what was asked for."""
        headers = {"Allow": allowed}
        if self.listed_origin:
            headers |= {
                "Access-Control-Allow-Methods": allowed,
                "Access-Control-Allow-Headers": "Authorization, Last-Event-ID, X-Request-ID, Cache-Control",
                "Access-Control-Max-Age": "600",
            }
        await self.start(204, headers)
        await self.send({"type": "http.response.body", "body": b""})


def joined(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by lower-case name; one that comes several times is joined, as Django does."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name in headers:
            value = f"{headers[name]}{'; ' if name == 'cookie' else ', '}{value}"
        headers[name] = value
    return headers


READING = "GET, HEAD, OPTIONS"

STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


def bad_query(message: str, **details: Any) -> Refused:
    return Refused(400, "validation-failed", message, details=details)


def _is_among(address: str, trusted: tuple[str, ...]) -> bool:
    """Say whether an address is a trusted proxy's; `unix` stands for a Unix socket."""
    if not address:
        return "unix" in trusted
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in ipaddress.ip_network(network, strict=False) for network in trusted if network != "unix")
