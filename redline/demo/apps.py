"""The demo app; it has no models."""

from __future__ import annotations

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "redline.demo"
    label = "demo"
    verbose_name = "Demo"
