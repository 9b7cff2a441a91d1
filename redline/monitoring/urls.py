"""REST under `/v1/`. A trailing slash is the same route; an empty id is malformed, not unknown."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.permissions import AllowAny

from redline.monitoring import api
from redline.rest import both

schema = SpectacularJSONAPIView.as_view(authentication_classes=[], permission_classes=[AllowAny])

urlpatterns = [
    path("openapi.json", schema, name="openapi"),
    *both("vendors", api.Vendors, "vendors"),
    *both("vendors/<any:id>", api.OneVendor, "vendor"),
    *both("runs", api.Runs, "runs"),
    *both("runs/<any:id>", api.OneRun, "run"),
    *both("changes", api.Changes, "changes"),
    *both("changes/<any:id>", api.OneChange, "change"),
    *both("changes/<any:id>/acknowledge", api.Acknowledge, "acknowledge"),
    *both("changes/<any:id>/start", api.Start, "start"),
    *both("changes/<any:id>/snooze", api.Snooze, "snooze"),
    *both("changes/<any:id>/resolve", api.Resolve, "resolve"),
    *both("actions", api.Actions, "actions"),
    *both("policies", api.Policies, "policies"),
    *both("policies/<any:id>", api.OnePolicy, "policy"),
    *both("entitlements", api.Entitlements, "entitlements"),
]
