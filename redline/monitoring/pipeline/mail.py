"""Sends one message by Django's mail API.

Promises: never raises; the Message-ID is made from the delivery's key, so a second attempt is the same mail; a line
break in a subject adds no header. A server's 4xx and a lost connection may pass, its 5xx will not.
"""

from __future__ import annotations

import smtplib
from email.utils import parseaddr

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.validators import validate_email

from redline.monitoring.pipeline.attempt import Attempt


def send(target: str, *, key: str, subject: str, body: str, backend: BaseEmailBackend | None) -> Attempt:
    """Send one e-mail; without `backend`, by the one that is configured."""
    try:
        validate_email(target)
        message_id = f"<{_id_part(key)}@{_mail_domain()}>"
        EmailMessage(
            subject=" ".join(subject.split()),
            body=body,
            to=[target],
            headers={"Message-ID": message_id, "Auto-Submitted": "auto-generated"},
            connection=backend,
        ).send()
    except ValidationError:
        return Attempt(reason="the target is not an e-mail address")
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()), (0, b""))
        return Attempt(reason=_smtp_reason(code, said), again=400 <= code < 500)
    except smtplib.SMTPResponseException as error:
        return Attempt(reason=_smtp_reason(error.smtp_code, error.smtp_error), again=400 <= error.smtp_code < 500)
    except (smtplib.SMTPServerDisconnected, OSError) as error:
        return Attempt(reason=f"the mail server could not be reached: {error}", again=True)
    except Exception as error:  # A mail backend is a plug-in with errors of its own; delivery never raises.
        return Attempt(reason=f"the mail backend failed: {type(error).__name__}")
    return Attempt(external_id=message_id)


def _smtp_reason(code: int, said: bytes | str) -> str:
    text = said.decode("utf-8", errors="replace") if isinstance(said, bytes) else said
    return f"the mail server answered {code} {' '.join(text.split())}".strip()


def _id_part(key: str) -> str:
    return "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in key)


def _mail_domain() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
