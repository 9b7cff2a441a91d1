"""The one parser of REST bodies: JSON, bounded in size.

A module of its own because REST framework imports it while `redline.errors` imports REST framework.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from rest_framework import exceptions, parsers

MAX_BODY = 64 * 1024


class TooLarge(exceptions.APIException):
    """The body is too large."""

    status_code = 413
    default_detail = "The body is too large."
    default_code = "too-large"


class LimitedJSONParser(parsers.JSONParser):
    """JSON of at most 64 KiB; a view may raise its limit by `max_body`."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        limit = getattr((parser_context or {}).get("view"), "max_body", MAX_BODY)
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.")
        try:
            return json.loads(body.decode("utf-8"), parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise exceptions.ParseError("The body is not valid JSON.") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
