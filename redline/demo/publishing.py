"""What the vendors' server says to a GET: their pages at this moment, with validators, and the demo's inbox.

Promises: a page that has not changed costs one 304, by `If-None-Match` or, where that is not asked, by
`If-Modified-Since`. The ETag begins with the page's revision, which is how a demo that is started again learns from
its readers where it was. Refuses nothing; what does not exist is a 404.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from html import escape
from http import HTTPStatus

import orjson

from redline.demo import rendering
from redline.demo.answer import Answer
from redline.demo.catalogue import VENDORS
from redline.demo.inbox import Inbox
from redline.demo.page import Page
from redline.demo.timeline import Timeline

HTML = "text/html; charset=utf-8"
_TYPES = {"html": HTML, "markdown": "text/markdown; charset=utf-8"}
_NAMES = {vendor.slug: vendor.name for vendor in VENDORS}
_ETAG = re.compile(r'"(\d+)-[0-9a-f]{8}"')


def revision_of(etag: str) -> int:
    """Return the revision that an ETag of ours was given for, 0 for any other."""
    match = _ETAG.fullmatch(etag)
    return int(match[1]) if match else 0


class Publishing:
    """All vendors' pages along one timeline; `started_at` is the instant from which it counts."""

    def __init__(self, timeline: Timeline, *, inbox: Inbox, started_at: datetime) -> None:
        self._timeline = timeline
        self._pages = {page.path: page for page in timeline.pages}
        self._inbox = inbox
        self._started_at = started_at

    def get(self, path: str, headers: Mapping[str, str], *, elapsed: float) -> Answer:
        headers = {name.title(): value for name, value in headers.items()}
        page = self._pages.get(path)
        if page is not None:
            return self._page(page, headers, elapsed)
        vendor = path.strip("/")
        if vendor in _NAMES:
            return _listing(_NAMES[vendor], [page.path for page in self._timeline.pages if page.vendor == vendor])
        match path:
            case "/":
                return _listing("The demo's vendors", [*(f"/{slug}/" for slug in _NAMES), "/hooks", "/mail"])
            case "/hooks" | "/mail":
                return self._received(path.strip("/"))
            case "/hooks.json" | "/mail.json":
                return self._received_as_json(path.strip("/").removesuffix(".json"))
        return Answer(status=HTTPStatus.NOT_FOUND, headers={"Content-Type": HTML}, body=_missing())

    def _page(self, page: Page, headers: Mapping[str, str], elapsed: float) -> Answer:
        if page.away and page.away.covers(elapsed):
            away = rendering.document("Maintenance", "<main><h1>Down for maintenance</h1></main>")
            kind = {"Content-Type": HTML, "Retry-After": "30"}
            return Answer(status=HTTPStatus.SERVICE_UNAVAILABLE, headers=kind, body=away)
        revision = self._timeline.revision(page, elapsed=elapsed)
        edited_at = self._edited_at(page, elapsed)
        body = rendering.body(page, revision=revision, vendor=_NAMES[page.vendor], edited_at=edited_at)
        validators = {
            "ETag": f'"{revision}-{zlib.crc32(body):08x}"',
            "Last-Modified": format_datetime(edited_at, usegmt=True),
            "Cache-Control": "no-cache",
        }
        if _holds(headers, validators["ETag"], edited_at):
            return Answer(status=HTTPStatus.NOT_MODIFIED, headers=validators)
        return Answer(status=HTTPStatus.OK, headers={**validators, "Content-Type": _TYPES[page.served]}, body=body)

    def _edited_at(self, page: Page, elapsed: float) -> datetime:
        """Return the instant of the last edit, in whole seconds as HTTP has them."""
        seconds = self._timeline.edited_at(page, elapsed=elapsed) or 0.0
        return (self._started_at + timedelta(seconds=seconds)).astimezone(UTC).replace(microsecond=0)

    def _received(self, kind: str) -> Answer:
        items = "".join(
            f"<li><b>{message.at:%H:%M:%S}</b> {escape(message.to)}<pre>{escape(message.text)}</pre></li>"
            for message in self._inbox.latest(kind)
        )
        inner = f"<main><h1>/{kind}</h1><p>The newest first.</p><ol>{items}</ol></main>"
        return Answer(status=HTTPStatus.OK, headers={"Content-Type": HTML}, body=rendering.document(f"/{kind}", inner))

    def _received_as_json(self, kind: str) -> Answer:
        messages = [{"at": each.at, "to": each.to, "text": each.text} for each in self._inbox.latest(kind)]
        headers = {"Content-Type": "application/json"}
        return Answer(status=HTTPStatus.OK, headers=headers, body=orjson.dumps(messages))


def _holds(headers: Mapping[str, str], etag: str, edited_at: datetime) -> bool:
    """Whether what the client has is still the page; an ETag that is asked for decides alone."""
    asked = headers.get("If-None-Match")
    if asked is not None:
        tags = [tag.strip().removeprefix("W/") for tag in asked.split(",")]
        return "*" in tags or etag in tags
    since = headers.get("If-Modified-Since")
    if since is None:
        return False
    try:
        return edited_at <= parsedate_to_datetime(since)
    except (TypeError, ValueError):
        return False  # not a date, or one without a zone: as if it had not been sent


def _listing(title: str, paths: list[str]) -> Answer:
    links = "".join(f'<li><a href="{path}">{path.strip("/")}</a></li>' for path in paths)
    inner = f"<main><h1>{escape(title)}</h1><ul>{links}</ul></main>"
    return Answer(status=HTTPStatus.OK, headers={"Content-Type": HTML}, body=rendering.document(title, inner))


def _missing() -> bytes:
    return rendering.document("Not found", "<main><h1>Not found</h1></main>")
