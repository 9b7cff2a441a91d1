"""Connects capture to Django's signals and loads every app's `streams.py`, as the admin loads `admin.py`."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class StreamingConfig(AppConfig):
    name = "streaming"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Streaming"

    def ready(self) -> None:
        import streaming
        from streaming import capture, checks, redaction  # noqa: F401 - importing checks registers them
        from streaming.emit import emit

        streaming.emit = emit  # capture's import has put the module of the same name there
        redaction.install()
        autodiscover_modules("streams")
        capture.connect()
