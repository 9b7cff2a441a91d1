"""Hands a message to where a policy routes it: e-mail by Django's mail API, everything else by webhook.

Promises: never raises for what happens on the way; at most three attempts, only for what may pass (429, 5xx, timeouts,
a lost connection), honouring Retry-After up to a cap; each attempt carries the same idempotency key, as the e-mail
carries the same Message-ID, so that a receiver can drop a repeat. Webhooks go through the guarded transport: a target
is a user's wish like any URL. Refuses redirects, and never repeats a target in a reason: a webhook's URL is its secret.
"""

from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parseaddr, parsedate_to_datetime
from typing import Literal

import httpx
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.validators import validate_email

from redline.monitoring.pipeline.address import PUBLIC_ONLY, Allow
from redline.monitoring.pipeline.errors import FetchError
from redline.monitoring.pipeline.policy import Route
from redline.monitoring.pipeline.transport import guarded_client

ATTEMPTS = 3
LONGEST_PAUSE = 30.0
_FIRST_PAUSE = 1.0
_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent. `key` names the action for ever: two deliveries with one key are one."""

    key: str
    severity: str
    headline: str
    text: str
    url: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How it went. `external_id`: what the receiver calls it, else our own key; `reason`: a sentence when it failed."""

    status: Literal["delivered", "failed"]
    external_id: str = ""
    reason: str = ""
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """One try: an id, or a reason and whether (and when) another try may do better."""

    external_id: str = ""
    reason: str = ""
    again: bool = False
    wait: float | None = None


def deliver(
    route: Route,
    message: Message,
    *,
    allow: Allow = PUBLIC_ONLY,
    pause: Callable[[float], None] = time.sleep,
    timeout: float = 10.0,
    mail: BaseEmailBackend | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> Delivery:
    """Deliver, with retries. `pause` waits seconds between attempts; `mail` replaces the configured mail backend."""
    if not route.target:
        return Delivery(status="failed", reason="no target configured")
    if route.kind == "email":
        return _tried(lambda: _mail(route.target, message, mail), pause)
    if not route.target.lower().startswith(("http://", "https://")):
        return Delivery(status="failed", reason="no target configured")
    body = _slack_body(message) if route.kind == "slack" else _webhook_body(route.kind, message)
    return _tried(lambda: _post(route.target, message.key, body, allow, timeout, ssl_context), pause)


def _tried(attempt: Callable[[], _Attempt], pause: Callable[[float], None]) -> Delivery:
    made = 0
    while True:
        outcome = attempt()
        made += 1
        if not outcome.reason:
            return Delivery(status="delivered", external_id=outcome.external_id, attempts=made)
        if not outcome.again or made == ATTEMPTS:
            return Delivery(status="failed", reason=outcome.reason, attempts=made)
        wait = _FIRST_PAUSE * 4 ** (made - 1) if outcome.wait is None else outcome.wait
        pause(min(wait, LONGEST_PAUSE))


def _slack_body(message: Message) -> dict[str, object]:
    # Slack reads <…> as links and mentions: a vendor's page must not be able to write "<!channel>".
    lines = (f"*[{message.severity}]* {_slack_text(message.headline)}", _slack_text(message.text), message.url)
    return {"text": "\n".join(line for line in lines if line)}


def _slack_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _webhook_body(kind: str, message: Message) -> dict[str, object]:
    return {
        "kind": kind,
        "key": message.key,
        "severity": message.severity,
        "headline": message.headline,
        "text": message.text,
        "url": message.url,
        "details": dict(message.details),
    }


def _post(
    target: str, key: str, body: dict[str, object], allow: Allow, timeout: float, ssl_context: ssl.SSLContext | None
) -> _Attempt:
    headers = {"Idempotency-Key": key, "User-Agent": "Redline/1.0", "Accept-Encoding": "identity"}
    try:
        with (
            guarded_client(allow=allow, timeout=timeout, ssl_context=ssl_context) as client,
            client.stream("POST", target, json=body, headers=headers) as response,
        ):
            if response.is_success:
                return _Attempt(external_id=_their_id(response) or key)
            return _refused(response)
    except httpx.TimeoutException:
        return _Attempt(reason=f"timed out after {timeout:g} s", again=True)
    except httpx.TransportError:
        return _Attempt(reason="the connection failed", again=True)
    except FetchError as error:
        return _Attempt(reason=error.reason)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        return _Attempt(reason=f"the message could not be sent: {type(error).__name__}")


def _refused(response: httpx.Response) -> _Attempt:
    status = response.status_code
    reason = f"{status} {response.reason_phrase}".strip()
    if response.is_redirect:
        return _Attempt(reason=f"{reason}: the target redirects")
    return _Attempt(reason=reason, again=status == 429 or status >= 500, wait=_retry_after(response))


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


def _mail(target: str, message: Message, backend: BaseEmailBackend | None) -> _Attempt:
    try:
        validate_email(target)
        message_id = f"<{_id_part(message.key)}@{_mail_domain()}>"
        EmailMessage(
            subject=" ".join(f"[{message.severity}] {message.headline}".split()),
            body="\n\n".join(part for part in (message.headline, message.text, message.url) if part),
            to=[target],
            headers={"Message-ID": message_id, "Auto-Submitted": "auto-generated"},
            connection=backend,
        ).send()
    except ValidationError:
        return _Attempt(reason="the target is not an e-mail address")
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()), (0, b""))
        return _Attempt(reason=_smtp_reason(code, said), again=400 <= code < 500)
    except smtplib.SMTPResponseException as error:
        return _Attempt(reason=_smtp_reason(error.smtp_code, error.smtp_error), again=400 <= error.smtp_code < 500)
    except (smtplib.SMTPServerDisconnected, OSError) as error:
        return _Attempt(reason=f"the mail server could not be reached: {error}", again=True)
    except Exception as error:  # A mail backend is a plug-in with errors of its own; delivery never raises.
        return _Attempt(reason=f"the mail backend failed: {type(error).__name__}")
    return _Attempt(external_id=message_id)


def _smtp_reason(code: int, said: bytes | str) -> str:
    text = said.decode("utf-8", errors="replace") if isinstance(said, bytes) else said
    return f"the mail server answered {code} {' '.join(text.split())}".strip()


def _id_part(key: str) -> str:
    return "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in key)


def _mail_domain() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
