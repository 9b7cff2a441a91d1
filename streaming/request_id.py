"""The id by which one request is found again in logs and error reports: `X-Request-ID`."""

from __future__ import annotations

import re
import uuid
from typing import Any

_FORM = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_KEY = "_streaming_request_id"


def request_id_of(given: str, request: Any = None) -> str:
    """Return the client's id if it is well-formed, else a fresh one, which stays with the request."""
    if _FORM.fullmatch(given):
        return given
    django_request = getattr(request, "_request", request)
    known = getattr(django_request, _KEY, None)
    if known is None:
        known = uuid.uuid4().hex
        if django_request is not None:
            setattr(django_request, _KEY, known)
    return str(known)
