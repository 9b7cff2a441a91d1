"""Posts one JSON message to a target that a user named, through the guarded transport.

Promises: never raises for what happens on the way; says whether another attempt may do better (429, 5xx, timeouts, a
lost connection) and when. Refuses redirects, and never repeats the target in a reason: a webhook's URL is its secret.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from redline.monitoring.pipeline.address import Allow
from redline.monitoring.pipeline.attempt import Attempt
from redline.monitoring.pipeline.errors import FetchError
from redline.monitoring.pipeline.transport import checked_url, guarded_client

_ANSWER_BYTES = 64 * 1024


def post(
    target: str,
    *,
    key: str,
    body: dict[str, object],
    allow: Allow,
    timeout: float,
    ssl_context: ssl.SSLContext | None = None,
) -> Attempt:
    """Post `body` once, under `key`."""
    headers = {"Idempotency-Key": key, "User-Agent": "Redline/1.0", "Accept-Encoding": "identity"}
    try:
        with (
            guarded_client(allow=allow, timeout=timeout, ssl_context=ssl_context) as client,
            client.stream("POST", checked_url(target), json=body, headers=headers) as response,
        ):
            if response.is_success:
                return Attempt(external_id=_their_id(response) or key)
            return _refused(response)
    except httpx.TimeoutException:
        return Attempt(reason=f"timed out after {timeout:g} s", again=True)
    except httpx.TransportError:
        return Attempt(reason="the connection failed", again=True)
    except FetchError as error:
        return Attempt(reason=error.reason)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        return Attempt(reason=f"the message could not be sent: {type(error).__name__}")


def _refused(response: httpx.Response) -> Attempt:
    status = response.status_code
    reason = f"{status} {response.reason_phrase}".strip()
    if response.is_redirect:
        return Attempt(reason=f"{reason}: the target redirects")
    return Attempt(reason=reason, again=status == 429 or status >= 500, wait=_retry_after(response))


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds, from either form of the header; `None` where it is missing or makes no sense."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _their_id(response: httpx.Response) -> str:
    """`key`, `id` or `externalId` of a small JSON answer. That the message arrived does not hang on it."""
    if "json" not in response.headers.get("Content-Type", ""):
        return ""
    try:
        answer = httpx.Response(200, content=_bounded(response)).json()
    except (httpx.TransportError, ValueError):
        return ""
    named = (answer.get(name) for name in ("key", "id", "externalId")) if isinstance(answer, dict) else ()
    return next((str(value)[:200] for value in named if isinstance(value, str | int) and value), "")


def _bounded(response: httpx.Response) -> bytes:
    body = b""
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > _ANSWER_BYTES:
            raise ValueError("the answer is too long to look into")
    return body
