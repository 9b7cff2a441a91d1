"""The tables of the log, the credentials that open streams, and the base of models whose changes are streamed.

`LogEntry` has no foreign keys on purpose: a key to the head would let any open transaction block the sequencer.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import models, router, transaction
from django.utils import timezone

from streaming.core.cursor import ORIGIN_FINGERPRINT
from streaming.core.errors import SilentWrite


class LogEntry(models.Model):
    """One event of one org: waiting in the outbox while `sequence` is null, in the log from then on.

    `data` is the canonical JSON, made once; `whole` is the full payload where `data` is its thin stand-in. `keys` and
    `audience` are sets, written as words between single spaces.
    """

    id = models.BigAutoField(primary_key=True)
    org = models.CharField(max_length=40)
    sequence = models.BigIntegerField(null=True)
    uid = models.UUIDField(default=uuid.uuid4)
    type = models.CharField(max_length=60)
    resource = models.CharField(max_length=64, blank=True)
    keys = models.TextField(blank=True)
    audience = models.TextField(blank=True)
    data = models.TextField()
    whole = models.TextField(null=True)
    emitted_at = models.DateTimeField(default=timezone.now)
    replay_of = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name = "log entry"
        verbose_name_plural = "log entries"
        constraints = [models.UniqueConstraint(fields=["org", "sequence"], name="streaming_entry_position")]
        indexes = [
            models.Index(
                fields=["org", "id"], condition=models.Q(sequence__isnull=True), name="streaming_entry_waiting"
            )
        ]

    def __str__(self) -> str:
        return f"{self.org} {self.sequence if self.sequence is not None else 'waiting'} {self.type}"


class Head(models.Model):
    """The newest position of one org's log, and the lock that its sequencer holds."""

    org = models.CharField(max_length=40, primary_key=True)
    epoch = models.CharField(max_length=16)
    sequence = models.BigIntegerField(default=0)
    fingerprint = models.CharField(max_length=8, default=ORIGIN_FINGERPRINT)
    floor = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.org} at {self.epoch}.{self.sequence}"


class ApiToken(models.Model):
    """A bearer token `rl_…` of one user for one org; only its hash is kept."""

    PREFIX = "rl_"

    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=8, editable=False, help_text="The first characters, to tell tokens apart.")
    label = models.CharField(max_length=100, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    org = models.CharField(max_length=40)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    def __str__(self) -> str:
        return f"{self.PREFIX}{self.hint}… ({self.label or self.org})"

    def save(self, *args: Any, using: str | None = None, **kwargs: Any) -> None:
        """Save in one transaction with the entry that has the token's open streams looked at."""
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using, savepoint=False):
            super().save(*args, using=using, **kwargs)

    @classmethod
    def digest_of(cls, secret: str) -> str:
        """Hash a token; 256 random bits need no salt and no slow hash."""
        return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

    @classmethod
    def issue(cls, *, user: Any, org: str, label: str = "", expires_at: datetime | None = None) -> tuple[Self, str]:
        """Create a token; the secret is returned this once and kept nowhere."""
        secret = cls.PREFIX + secrets.token_urlsafe(32)
        row = cls.objects.create(
            digest=cls.digest_of(secret), hint=secret[3:9], label=label, user=user, org=org, expires_at=expires_at
        )
        return row, secret

    def revoke(self) -> None:
        """End the token, and every stream that it has opened."""
        self.revoked_at = timezone.now()
        self.save(update_fields=["revoked_at"])

    def is_valid(self, *, at: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > at)


class Ticket(models.Model):
    """A credential that opens one stream, once; only its hash is kept, and `proof` is sealed."""

    digest = models.CharField(max_length=64, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    org = models.CharField(max_length=40, blank=True)
    origin = models.CharField(max_length=300, blank=True)
    proof = models.TextField(editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index("user", "expires_at", name="streaming_ticket_user")]

    def __str__(self) -> str:
        return f"ticket {self.pk} for {self.org}"


class StreamedQuerySet(models.QuerySet[Any]):
    """Leaves no silent path: what cannot emit refuses, unless the caller says that nobody needs to know."""

    _unstreamed = False

    def unstreamed(self) -> Self:
        """Allow bulk writes that emit nothing, for this query."""
        clone: Self = self.all()
        clone._unstreamed = True
        return clone

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]
        clone._unstreamed = self._unstreamed
        return clone

    def update(self, **kwargs: Any) -> int:
        if not self._only_lets_go(kwargs):
            self._refuse("update()")
        return super().update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_update(self, objs: Iterable[Any], fields: Iterable[str], batch_size: int | None = None) -> int:
        self._refuse("bulk_update()")
        with transaction.atomic(using=self.db, savepoint=False):
            # Django writes through self.filter(…).update(…), which this very query set would refuse.
            return super(StreamedQuerySet, self.unstreamed()).bulk_update(objs, fields, batch_size)

    bulk_update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """Insert the rows and emit for each, in one transaction."""
        from streaming import capture

        if self._unstreamed:
            return super().bulk_create(objs, *args, **kwargs)
        if any(args[1:2]) or any(args[2:3]) or kwargs.get("ignore_conflicts") or kwargs.get("update_conflicts"):
            raise SilentWrite("bulk_create() cannot tell which rows it wrote when conflicts are ignored or updated.")
        self._for_write = True
        with transaction.atomic(using=self.db, savepoint=False):
            rows = super().bulk_create(objs, *args, **kwargs)
            capture.created(self.model, rows, using=self.db)
            return rows

    bulk_create.alters_data = True  # type: ignore[attr-defined]

    def _only_lets_go(self, values: Mapping[str, Any]) -> bool:
        """Allow what SET_NULL writes when a row is deleted: foreign keys that no rule announces, set to null."""
        from streaming import capture

        return all(
            value is None
            and isinstance(self.model._meta.get_field(name), models.ForeignKey)
            and not capture.announces(self.model, name)
            for name, value in values.items()
        )

    def _refuse(self, what: str) -> None:
        if not self._unstreamed:
            raise SilentWrite(
                f"{self.model.__name__} rows are streamed and {what} sends no signal: save them one by one, "
                f"or write .unstreamed().{what.removesuffix('()')}(…) if nobody needs to know."
            )


StreamedManager = models.Manager.from_queryset(StreamedQuerySet)


class StreamedModel(models.Model):
    """Base of models whose changes are announced: each save and delete is one transaction with its events."""

    objects = StreamedManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"
        default_manager_name = "objects"

    def save(self, *args: Any, using: str | None = None, **kwargs: Any) -> None:
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using, savepoint=False):
            super().save(*args, using=using, **kwargs)

    def delete(self, using: Any = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using, savepoint=False):
            return super().delete(using=using, keep_parents=keep_parents)


def words(text: str) -> frozenset[str]:
    """Read a set of keys or names as `LogEntry` stores it."""
    return frozenset(text.split())


def phrase(members: Sequence[str] | frozenset[str]) -> str:
    """Write a set of keys or names as `LogEntry` stores it."""
    return " ".join(sorted(members))
