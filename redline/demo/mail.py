"""A mail backend that delivers into the demo's inbox, where `/mail` shows it: no server, no noise in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from redline.demo.inbox import inbox


class InboxBackend(BaseEmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            inbox.put("mail", to=", ".join(message.recipients()), text=f"{message.subject}\n\n{message.body}")
        return len(email_messages)
