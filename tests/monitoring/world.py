"""What monitoring's tests share: an org with people, a REST client, pages on a real web server, the org's events."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from django.test import Client
from django.utils import timezone

from redline.monitoring.models import ChangeReport, PageKind, Run, Vendor, VendorPage
from redline.workspaces.models import Org, Role, User
from streaming.models import ApiToken, LogEntry
from tests.monitoring.scripted_web import Web, answer
from tests.people import settle

_numbers = itertools.count(1)


def make_org() -> Org:
    return Org.objects.create(slug=f"org-{next(_numbers)}", name="Org")


def make_member(org: Org, role: Role = Role.MEMBER) -> User:
    user = User.objects.create(username=f"user{next(_numbers)}")
    settle(org.pk, user.pk, role)
    return user


def make_vendor(org: Org, *, pages: dict[str, PageKind] | None = None, **fields: Any) -> Vendor:
    vendor = Vendor.objects.create(org=org, name="Northwind", homepage_url="https://northwind.example", **fields)
    for url, kind in (pages or {}).items():
        VendorPage.objects.create(vendor=vendor, url=url, kind=kind)
    return vendor


def make_report(org: Org, *, vendor: Vendor | None = None, **fields: Any) -> ChangeReport:
    vendor = vendor or make_vendor(org)
    return ChangeReport.objects.create(
        **{"org": org, "vendor": vendor, "severity": "P2", "headline": "Retention changed", **fields}
    )


def make_run(vendor: Vendor, **fields: Any) -> Run:
    return Run.objects.create(org_id=vendor.org_id, vendor=vendor, **fields)


def events(org: Org | str, *types: str, after: int = 0) -> list[tuple[str, dict[str, Any]]]:
    """The org's events in the order in which they were emitted."""
    rows = LogEntry.objects.filter(org=getattr(org, "pk", org), pk__gt=after).order_by("pk")
    return [(row.type, json.loads(row.data)) for row in rows if not types or row.type in types]


def last_event() -> int:
    return LogEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


class Rest:
    """A client with an API token."""

    def __init__(self, user: User, org: Org, *, prefix: str = "/v1/") -> None:
        self.user, self.org, self._prefix = user, org, prefix
        _, self.secret = ApiToken.issue(user=user, org=org.pk)
        self._client = Client(raise_request_exception=True)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        response = self._client.generic(
            method,
            f"{self._prefix}{path}",
            data=content,
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.secret}", **headers},
        )
        return Answer(status=response.status_code, raw=response.content, headers=response.headers)

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.ask("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None) -> Answer:
        return self.ask("PATCH", path, body)

    def delete(self, path: str) -> Answer:
        return self.ask("DELETE", path)


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    raw: bytes
    headers: Any

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


class Site:
    """Pages that a test rewrites, served with an ETag of their words; also takes webhooks, and keeps what came."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.pages: dict[str, str] = {}
        self.status: dict[str, int] = {}
        self.posted: list[dict[str, Any]] = []
        self.not_modified = 0
        web.script = self._answer

    def url(self, path: str) -> str:
        return f"{self.web.url}/{path}"

    def write(self, path: str, *paragraphs: str) -> str:
        body = "".join(f"<p>{text}</p>" for text in paragraphs)
        self.pages[path] = f"<!doctype html><html><body><h1>Notice</h1>{body}</body></html>"
        return self.url(path)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.lstrip("/")
        status = self.status.get(path, 200)
        if handler.command == "POST":
            self.posted.append(json.loads(self.web.asked[-1][2]))
            return answer(handler, b"{}", status, Content_Type="application/json")
        if status != 200 or path not in self.pages:
            return answer(handler, b"no", status if status != 200 else 404)
        body = self.pages[path].encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if handler.headers["If-None-Match"] == tag:
            self.not_modified += 1
            return answer(handler, b"", 304, ETag=tag)
        return answer(handler, body, ETag=tag, Content_Type="text/html; charset=utf-8")


def later(**delta: float) -> Any:
    return timezone.now() + timezone.timedelta(**delta)
