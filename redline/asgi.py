"""The ASGI application: streams first, then Django."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "redline.settings")

from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured

try:
    django_application = get_asgi_application()
except ImproperlyConfigured as error:
    sys.exit(str(error))

from streaming.asgi import routing

application = routing.application(django_application)
