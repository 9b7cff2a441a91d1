"""Public ids: a three-letter kind, an underscore, fourteen random characters, as in `vnd_8Yw2…`.

They are the primary keys, so that what stands in a URL, an event and the database is one and the same.
"""

from __future__ import annotations

import re
import secrets
import string
from typing import Any

from django.db import models

ALPHABET = string.ascii_letters + string.digits
FORM = re.compile(r"[a-z]{3}_[A-Za-z0-9_-]{1,60}", re.ASCII)


def new_id(kind: str) -> str:
    """Return a fresh id; 14 of 62 characters are 83 random bits."""
    return f"{kind}_{''.join(secrets.choice(ALPHABET) for _ in range(14))}"


def is_id(text: str, kind: str | None = None) -> bool:
    return FORM.fullmatch(text) is not None and (kind is None or text.startswith(f"{kind}_"))


class PublicIdField(models.CharField):
    """A primary key that draws a public id of its kind."""

    def __init__(self, kind: str, **kwargs: Any) -> None:
        self.kind = kind
        kwargs.update(primary_key=True, max_length=64, editable=False, default=self.draw)
        super().__init__(**kwargs)

    def draw(self) -> str:
        return new_id(self.kind)

    def deconstruct(self) -> Any:
        name, path, _, _ = super().deconstruct()
        return name, path, [self.kind], {}
