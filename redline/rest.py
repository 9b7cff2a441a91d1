"""What REST views of all apps share: routes, the order of refusals, the caller's org, bodies, lists by cursor.

Refusals come in the contract's order: a method that is not allowed, then who is asking, then what is malformed, then
what is not theirs. A row that does not exist and one of another org are the same 403.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.urls import URLPattern, path, register_converter
from django.urls.converters import StringConverter
from rest_framework import exceptions, serializers
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from redline.ids import is_id
from redline.workspaces import selectors
from redline.workspaces.models import Role

PAGE = 50
LONGEST_PAGE = 200
NO_CURSOR = {"cursor": ["This is not a cursor of this list."]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Who asks, and as what, in the org that the credential is for."""

    user_id: str
    org_id: str
    role: Role


class AnyId(StringConverter):
    """Whatever stands between two slashes, also nothing: the view tells what is no id."""

    regex = "[^/]*"


register_converter(AnyId, "any")


def both(route: str, view: type[View], name: str) -> list[URLPattern]:
    """Route with and without a trailing slash; the schema knows the one without."""
    return [
        path(route, view.as_view(), name=name),
        path(f"{route}/", view.as_view(schema=None)),
    ]


class View(APIView):
    """A view that answers 405 before it asks who is there, and `OPTIONS` with 204."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        method = request.method or ""
        if method not in self.allowed_methods:
            raise exceptions.MethodNotAllowed(method)
        if method != "OPTIONS":
            super().initial(request, *args, **kwargs)

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(status=204)


def member(request: Request) -> Member:
    """Return the caller's place in the org of the credential; whoever has none is refused."""
    user_id, org_id = str(request.user.pk), getattr(request.auth, "org", None)
    role = selectors.memberships({user_id}).get((user_id, org_id or ""))
    if org_id is None or role is None:
        raise PermissionDenied
    return Member(user_id=user_id, org_id=org_id, role=role)


def acting_member(request: Request) -> Member:
    """Return the caller's place in the org, if it is one from which to act."""
    caller = member(request)
    if not caller.role.may_act:
        raise PermissionDenied
    return caller


def administrator(request: Request) -> Member:
    """Return the caller's place in the org, if it is owner or admin."""
    caller = member(request)
    if not caller.role.sees_all:
        raise PermissionDenied
    return caller


def checked_id(text: str, *, key: str = "id") -> str:
    """Return a well-formed public id."""
    if not is_id(text):
        raise exceptions.ValidationError({key: ["This is not an id."]})
    return text


def found(rows: QuerySet[Any], id: str) -> Any:
    """Return the row of this id; unknown and foreign are refused alike, so `rows` must be the org's."""
    row = rows.filter(pk=id).first()
    if row is None:
        raise PermissionDenied
    return row


def body(request: Request, shape: type[serializers.Serializer[Any]], *, partial: bool = False) -> dict[str, Any]:
    """Return the request's body as `shape` reads it."""
    data = request.data
    if not all(map(_is_text, _strings(data))):
        raise exceptions.ValidationError("NUL characters and lone surrogates are no text.")
    reader = shape(data=data, partial=partial)
    reader.is_valid(raise_exception=True)
    return dict(reader.validated_data)


def _strings(data: Any) -> Iterator[str]:
    """Yield every string of a JSON value, keys included; without recursion, as the depth is the client's choice."""
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += value.keys()
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _is_text(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


class Pages(CursorPagination):
    """`{"results", "next"}`; `?limit=` 1 to 200. A cursor or limit that makes no sense is a 400."""

    def __init__(self, ordering: tuple[str, ...]) -> None:
        self.ordering = ordering

    def get_page_size(self, request: Request) -> int:
        asked = request.query_params.get("limit", str(PAGE))
        if not (asked.isascii() and asked.isdecimal() and len(asked) < 5 and 1 <= int(asked) <= LONGEST_PAGE):
            raise exceptions.ValidationError({"limit": [f"A whole number from 1 to {LONGEST_PAGE}."]})
        return int(asked)

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            # REST framework skips what is no base64, so that noise would read as the first page.
            base64.b64decode(request.query_params.get(self.cursor_query_param, ""), validate=True)
            cursor = super().decode_cursor(request)
        except (exceptions.NotFound, ValueError):
            raise exceptions.ValidationError(NO_CURSOR) from None
        if cursor is not None and "\0" in (cursor.position or ""):
            raise exceptions.ValidationError(NO_CURSOR)
        return cursor

    def check(self, request: Request) -> None:
        """Refuse a malformed query, before anybody's rows are looked at."""
        self.get_page_size(request)
        self.decode_cursor(request)

    def answer(self, request: Request, rows: QuerySet[Any], shape: type[serializers.Serializer[Any]]) -> Response:
        try:
            page: list[Model] = self.paginate_queryset(rows, request) or []
        except (ValueError, TypeError, OverflowError, ValidationError):
            raise exceptions.ValidationError(NO_CURSOR) from None
        return Response({"results": shape(page, many=True).data, "next": self.get_next_link()})
