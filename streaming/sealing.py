"""Small values that leave the house and must come back unread and unchanged: encrypted and signed by SECRET_KEY.

Encrypted, because a reconnect token names the session by which its page is signed in, and a page's scripts may not see
that. What was sealed under a key of SECRET_KEY_FALLBACKS still opens.
"""

from __future__ import annotations

import base64
import json
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac

from streaming.core.wire import canonical

_SALT = "streaming.sealing"


def seal(value: Any) -> str:
    """Return a JSON value as one word of `A-Z a-z 0-9 _ -`."""
    return _boxes(*_secrets()).encrypt(canonical(value)).decode().rstrip("=")


def unseal(text: str) -> Any:
    """Return what was sealed; None for anything else."""
    try:
        return json.loads(_boxes(*_secrets()).decrypt(text + "=" * (-len(text) % 4)))
    except (InvalidToken, ValueError):
        return None


def _secrets() -> tuple[str | bytes, ...]:
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


@lru_cache(maxsize=1)
def _boxes(*secrets: str | bytes) -> MultiFernet:
    keys = (salted_hmac(_SALT, "key", secret=secret, algorithm="sha256").digest() for secret in secrets)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
