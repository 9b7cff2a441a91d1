"""The URLs of `streaming` that Django serves: one entry of the log, whole."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "streaming"
urlpatterns: list[URLPattern] = []
