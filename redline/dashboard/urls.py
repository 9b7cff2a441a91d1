"""The pages that people see."""

from __future__ import annotations

from django.urls import URLPattern, path

from redline.dashboard import views

urlpatterns: list[URLPattern] = [
    path("", views.board, name="dashboard"),
    path("sign-in", views.SignIn.as_view(), name="sign-in"),
    path("sign-out", views.SignOut.as_view(), name="sign-out"),
    path("org", views.choose_org, name="choose-org"),
    path("clock", views.clock, name="clock"),
    path("favicon.ico", views.favicon, name="favicon"),
]
