"""Django's own CSRF check, for what is posted past its middleware."""

from __future__ import annotations

from collections.abc import MutableMapping
from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware


def passes(scope: MutableMapping[str, Any]) -> bool:
    """Say whether a POST with this ASGI scope comes from a page of ours: by its header, for its body is not read."""
    request = ASGIRequest(scope, BytesIO())
    check = CsrfViewMiddleware(_no_answer)
    check.process_request(request)
    return check.process_view(request, _no_answer, (), {}) is None


def _no_answer(request: HttpRequest) -> HttpResponse:
    return HttpResponse()
