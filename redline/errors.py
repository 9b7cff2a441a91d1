"""One envelope for every error: `{"error": {"code", "message", "requestId", "details"?}}`.

Holds for REST views, for Django's own refusals (404, CSRF, a bad host) and for what nobody expected, which is a 500
without detail. `X-Request-ID` is taken from the request where it is well-formed, else made, and is on every response.
No error page shows a credential, not even those that Django makes for developers.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from streaming.core.errors import Refused
from streaming.redaction import redact
from streaming.request_id import request_id_of

logger = logging.getLogger("redline.errors")

CODES = {
    400: ("validation-failed", "The request is not valid."),
    401: ("unauthenticated", "Sign in, or send a valid token."),
    403: ("forbidden", "This is not yours to see, or does not exist."),
    404: ("not-found", "There is nothing here."),
    405: ("method-not-allowed", "This method is not allowed here."),
    406: ("validation-failed", "The answer is JSON."),
    409: ("conflict", "This is not possible in the present state."),
    413: ("too-large", "The body is too large."),
    415: ("validation-failed", "Send JSON, with Content-Type: application/json."),
    429: ("rate-limited", "Too many requests."),
    500: ("internal", "Something went wrong on our side."),
    503: ("stream-unavailable", "The service is not available right now."),
}


class Conflict(exceptions.APIException):
    """This is not possible in the present state."""

    status_code = 409
    default_detail = CODES[409][1]
    default_code = "conflict"


def envelope(
    status: int, request_id: str, *, message: str = "", code: str = "", details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the body of an error response."""
    default_code, default_message = CODES.get(status, CODES[500] if status >= 500 else CODES[400])
    error: dict[str, Any] = {
        "code": code or default_code,
        "message": message or default_message,
        "requestId": request_id,
    }
    if details:
        error["details"] = dict(details)
    return {"error": error}


def envelope_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer an exception out of a REST view."""
    request_id = request_id_of(context["request"].META.get("HTTP_X_REQUEST_ID", ""), context["request"])
    set_rollback()
    match error:
        case Refused():
            body = envelope(error.status, request_id, message=error.message, code=error.code, details=error.details)
            return Response(body, status=error.status, headers=error.headers)
        case Http404():
            return Response(envelope(404, request_id), status=404)
        case PermissionDenied() | ObjectDoesNotExist():  # also a row that went while somebody waited for its lock
            return Response(envelope(403, request_id), status=403)
        case ValidationError():
            details = error.message_dict if hasattr(error, "error_dict") else {"detail": error.messages}
            return Response(envelope(400, request_id, details=details), status=400)
        case exceptions.APIException():
            return _api_error(error, request_id)
        case OperationalError() | InterfaceError():
            logger.warning("the database does not answer: %s", error)
            body = envelope(503, request_id, message="The database does not answer.")
            return Response(body, status=503, headers={"Retry-After": "3"})
    return None


def _api_error(error: exceptions.APIException, request_id: str) -> Response:
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait) + 1)
    details = None
    message = ""
    if isinstance(error, exceptions.ValidationError):
        detail = error.detail
        details = detail if isinstance(detail, dict) else {"detail": detail}
    elif error.status_code not in (401, 404):
        message = str(error.detail)
    return Response(
        envelope(error.status_code, request_id, message=message, details=details),
        status=error.status_code,
        headers=headers,
    )


class RequestIdMiddleware:
    """Puts `X-Request-ID` on every response, and the envelope on errors that no REST view has answered."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if iscoroutinefunction(self):
            return self._acall(request)
        return _finished(request, _refused(request) or self.get_response(request))

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        return _finished(request, _refused(request) or await self.get_response(request))


def _refused(request: HttpRequest) -> HttpResponse | None:
    """Refuse NUL wherever a look-up would carry it to the database: PostgreSQL cannot even be asked for it."""
    told = (request.path, unquote(request.META.get("QUERY_STRING", "")), *request.COOKIES.values())
    if any("\0" in text for text in told):
        return error_response(request, 400, "A NUL character is no part of any address or cookie here.")
    return None


def _finished(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    response["X-Request-ID"] = request_id_of(request.META.get("HTTP_X_REQUEST_ID", ""), request)
    if settings.DEBUG and response.status_code >= 400 and isinstance(response, HttpResponse):
        # Django's own pages for developers show the query and every variable on the way to the error.
        response.content = redact(response.text).encode(response.charset or "utf-8")
        response["Content-Length"] = str(len(response.content))
    return response


def _error_view(status: int) -> Callable[..., HttpResponse]:
    def view(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
        return error_response(request, status)

    return view


bad_request = _error_view(400)
permission_denied = _error_view(403)
page_not_found = _error_view(404)
server_error = _error_view(500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return error_response(request, 403, "The CSRF token is missing or wrong; reload the page and try again.")


def error_response(request: HttpRequest, status: int, message: str = "") -> HttpResponse:
    request_id = request_id_of(request.META.get("HTTP_X_REQUEST_ID", ""), request)
    return JsonResponse(envelope(status, request_id, message=message), status=status)
