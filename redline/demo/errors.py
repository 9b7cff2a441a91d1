"""What keeps the demo from starting; the message is the one line that the user reads."""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot start."""


class PortTaken(DemoError):
    """Somebody else listens there."""
