"""Where this installation's outgoing requests may go, as its settings say."""

from __future__ import annotations

from django.conf import settings

from redline.monitoring.pipeline.address import Allow


def allowed() -> Allow:
    """Return the exceptions to "public addresses only" for pages and webhooks."""
    return Allow(private=settings.REDLINE_ALLOW_PRIVATE_FETCH, hosts=frozenset(settings.REDLINE_FETCH_HOSTS))
