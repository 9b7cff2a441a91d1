"""Connects capture to Django's signals and loads every app's `streams.py`, as the admin loads `admin.py`."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class StreamingConfig(AppConfig):
    name = "streaming"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Streaming"

    def ready(self) -> None:
        from streaming import capture, checks, redaction, revocation  # noqa: F401 - importing checks registers them

        redaction.install()
        autodiscover_modules("streams")
        capture.connect()
        revocation.connect()
