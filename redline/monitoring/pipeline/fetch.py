"""Fetches one page of a vendor, as text.

Promises: the whole errand, redirects included, ends within `timeout` seconds and `max_bytes` of memory; every hop is
judged by `address`; a page that has not changed by its own validators costs one 304. Refuses URLs that are not plain
http or https, that carry credentials, and whatever is not a text page. Every failure is a `FetchError` whose reason is
fit for the run's record: "503 Service Unavailable", "timed out after 10 s", "address 127.0.0.1 is not public".
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

import httpx

from redline.monitoring.pipeline.address import PUBLIC_ONLY, Allow
from redline.monitoring.pipeline.body import decode, read_body, size
from redline.monitoring.pipeline.errors import FetchError
from redline.monitoring.pipeline.transport import checked_url, guarded_client

MAX_BYTES = 2 * 2**20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TEXT_TYPES = frozenset({"application/xhtml+xml", "application/xml", ""})
_HEADERS = {
    "User-Agent": "Redline/1.0 (watches published terms for changes)",
    "Accept": "text/html, application/xhtml+xml, text/markdown, text/plain;q=0.9",
    "Accept-Encoding": "gzip",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A page as it was served at `fetched_at`. `not_modified`: the validators still hold, and `body` is empty."""

    url: str
    status: int
    content_type: str
    body: str
    etag: str
    last_modified: str
    not_modified: bool
    fetched_at: datetime


def fetch(
    url: str,
    *,
    etag: str = "",
    last_modified: str = "",
    allow: Allow = PUBLIC_ONLY,
    timeout: float = 10.0,
    max_bytes: int = MAX_BYTES,
    max_redirects: int = 5,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ssl_context: ssl.SSLContext | None = None,
) -> Fetched:
    """Get a page; with its former `etag` or `last_modified`, only if it changed. The `url` is where it was found."""
    headers = _HEADERS | _conditions(etag, last_modified)
    try:
        with guarded_client(allow=allow, timeout=timeout, ssl_context=ssl_context, headers=headers) as client:
            target = checked_url(url)
            for _ in range(max_redirects + 1):
                with client.stream("GET", target) as response:
                    if response.status_code not in _REDIRECTS:
                        return _page(response, conditional=bool(etag or last_modified), max_bytes=max_bytes, at=now())
                    target = _next_hop(response)
    except httpx.TimeoutException:
        raise FetchError(f"timed out after {timeout:g} s") from None
    except httpx.ConnectError as error:
        raise FetchError(f"could not connect: {_plain(error)}") from error
    except httpx.TransportError as error:
        raise FetchError(f"the connection failed: {_plain(error)}") from error
    except httpx.InvalidURL as error:
        raise FetchError(f"not a valid URL: {error}") from None
    raise FetchError("too many redirects")


def _conditions(etag: str, last_modified: str) -> dict[str, str]:
    named = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    return {name: value for name, value in named.items() if value}


def _next_hop(response: httpx.Response) -> httpx.URL:
    location = response.headers.get("Location", "")
    if not location:
        raise FetchError(f"{response.status_code} without a Location", status=response.status_code)
    return checked_url(response.url.join(location))


def _page(response: httpx.Response, *, conditional: bool, max_bytes: int, at: datetime) -> Fetched:
    not_modified = conditional and response.status_code == HTTPStatus.NOT_MODIFIED
    return Fetched(
        url=str(response.url),
        status=response.status_code,
        content_type=_media_type(response),
        body="" if not_modified else _text(response, max_bytes),
        etag=response.headers.get("ETag", ""),
        last_modified=response.headers.get("Last-Modified", ""),
        not_modified=not_modified,
        fetched_at=at,
    )


def _text(response: httpx.Response, max_bytes: int) -> str:
    status = response.status_code
    if status not in (HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION):
        raise FetchError(_status_line(status), status=status)
    media_type = _media_type(response)
    if not media_type.startswith("text/") and media_type not in _TEXT_TYPES:
        raise FetchError(f"not a text page: {media_type}", status=status)
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise FetchError(f"more than {size(max_bytes)}", status=status)
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    body = read_body(response.iter_raw(), encoding=encoding, max_bytes=max_bytes)
    text = decode(body, charset=response.charset_encoding or "")
    if "\0" in text:
        raise FetchError(f"not a text page: {media_type or 'binary data'}", status=status)
    if not text.strip():
        # An outage that answers 200 with nothing would otherwise read as "every clause was removed".
        raise FetchError("the page is empty", status=status)
    return text


def _media_type(response: httpx.Response) -> str:
    return str(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def _plain(error: Exception) -> str:
    """An error of the operating system or of TLS without its numbers: `Connection refused`."""
    return re.sub(r"^\[[^\]]*\]\s*|\s*\(_ssl[^)]*\)$", "", str(error)) or type(error).__name__


def _status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
