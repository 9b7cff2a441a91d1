"""The pages that people see."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
