"""What a URL from the environment is refused for, in words of our own: a library's may quote it, password and all."""

from __future__ import annotations


class BadAddress(ValueError):
    """A URL that names nothing we can use; the text says why, and holds no part of it."""
