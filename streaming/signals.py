"""Facts about this process that others may act on, as Django signals.

`serving_started` and `serving_stopping` are sent when a process begins and ends to serve streams; the second from a
worker thread, so that a receiver may take a moment to stop what it started.
"""

from __future__ import annotations

from django.dispatch import Signal

serving_started = Signal()
serving_stopping = Signal()
