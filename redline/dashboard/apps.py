"""The dashboard app."""

from __future__ import annotations

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    name = "redline.dashboard"
    label = "dashboard"
    verbose_name = "Dashboard"
