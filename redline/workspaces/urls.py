"""REST of the event hub, under `/api/v1/`. A trailing slash is the same route."""

from __future__ import annotations

from django.urls import path

from redline.workspaces import api

urlpatterns = [
    path("events/telemetry", api.Telemetry.as_view(), name="telemetry"),
    path("events/telemetry/", api.Telemetry.as_view(schema=None)),
]
