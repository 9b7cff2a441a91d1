"""Hands a message to where a policy routes it: e-mail by `mail`, everything else by `webhook`.

Promises: never raises for what happens on the way; at most three attempts, only for what may pass, honouring
Retry-After up to a cap; each attempt carries the same idempotency key or Message-ID, so that a receiver can drop a
repeat. Refuses a target that is none: a webhook goes to a public http or https URL, an e-mail to an address.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from django.core.mail.backends.base import BaseEmailBackend

from redline.monitoring.pipeline import mail as post_office
from redline.monitoring.pipeline import webhook
from redline.monitoring.pipeline.address import PUBLIC_ONLY, Allow
from redline.monitoring.pipeline.attempt import Attempt
from redline.monitoring.pipeline.policy import Route

ATTEMPTS = 3
LONGEST_PAUSE = 30.0
_FIRST_PAUSE = 1.0


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
        subject = f"[{message.severity}] {message.headline}"
        letter = "\n\n".join(part for part in (message.headline, message.text, message.url) if part)
        return _tried(
            lambda: post_office.send(route.target, key=message.key, subject=subject, body=letter, backend=mail), pause
        )
    if not route.target.lower().startswith(("http://", "https://")):
        return Delivery(status="failed", reason="no target configured")
    body = _slack_body(message) if route.kind == "slack" else _webhook_body(route.kind, message)
    return _tried(
        lambda: webhook.post(
            route.target, key=message.key, body=body, allow=allow, timeout=timeout, ssl_context=ssl_context
        ),
        pause,
    )


def _tried(attempt: Callable[[], Attempt], pause: Callable[[float], None]) -> Delivery:
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
