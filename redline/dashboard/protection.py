"""The headers of every page that people see: what a page may load and run, and that nobody keeps a copy.

The policy allows the project's own files and nothing inline, so text that slips into a page as markup runs nothing.
A page that needs an exception is wrong; there is no way here to ask for one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse

POLICY = "; ".join(
    [
        "default-src 'self'",
        "style-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    ]
)

View = Callable[..., HttpResponse]


def protected(view: View) -> View:
    """Put the policy on a page's response, and keep it out of every cache: it carries names and a CSRF token."""

    @wraps(view)
    def answer(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["Content-Security-Policy"] = POLICY
        response["Cache-Control"] = "private, no-store"
        return response

    return answer
