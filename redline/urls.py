"""Every URL that Django serves; the streams and their polling twins are routed before it, in `asgi.py`."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("v1/", include("redline.monitoring.urls")),
    path("api/v1/", include("redline.workspaces.urls")),
    path("api/v1/", include("redline.projects.urls")),
    path("", include("redline.dashboard.urls")),
]

handler400 = "redline.errors.bad_request"
handler403 = "redline.errors.permission_denied"
handler404 = "redline.errors.page_not_found"
handler500 = "redline.errors.server_error"
