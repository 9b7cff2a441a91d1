"""Tickets: a URL's credential for the one page that cannot send a header, good for one stream within a minute.

A page that may not keep its token in a URL asks for a ticket and opens its EventSource with it. It opens one stream,
once, for the page of the origin that asked, and is worth what the credential is worth by which it was taken: when that
ends, so does the stream. It is used up when the stream opens, not when it is shown, so that a refusal for want of room
can be tried again; of many at once the one whose UPDATE finds it unused wins.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone

from streaming import access, authentication, proofs, sealing
from streaming.authentication import Binding, Credential, Identity, Kind
from streaming.core.errors import forbidden
from streaming.models import Ticket

PREFIX = "rlt_"
LIFE_SECONDS = 60


class QueryTicket(Kind):
    """`?ticket=…`."""

    name = "ticket"
    streams_only = True

    def find(self, headers: Mapping[str, str], query: QueryDict) -> Credential | None:
        value = query.get("ticket", "").strip()
        return Credential(kind=self.name, value=value) if value else None

    def identify(self, credentials: Sequence[Credential]) -> list[Identity | None]:
        digests = [digest_of(credential.value) for credential in credentials]
        rows = {row.digest: row for row in usable().filter(digest__in=digests)}
        proof = {digest: str(sealing.unseal(row.proof)) for digest, row in rows.items()}
        behind = dict(zip(proof, proofs.holders(list(proof.values())), strict=True))
        return [_identity(rows.get(digest), behind.get(digest)) for digest in digests]


def _identity(row: Ticket | None, holder: Identity | None) -> Identity | None:
    if row is None or holder is None or holder.user_id != row.user_id:
        return None
    return replace(
        holder, org=holder.org if holder.token_id else row.org, binding=Binding(origin=row.origin), ticket_id=row.pk
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A ticket as its owner gets it, this once; `expires_in` in seconds."""

    secret: str
    expires_at: datetime
    expires_in: int


def issue(identity: Identity, *, origin: str) -> Issued:
    """Make a ticket for who has signed in, for pages of `origin`.

    Refuses whom no stream of the org would let in, and who shows what opens streams and nothing else.
    """
    proof = authentication.proof(identity)
    if proof is None or authentication.kinds()[identity.credential.kind].streams_only:
        raise authentication.unauthenticated()
    if not identity.org or access.current().rights(identity.user, identity.org) is None:
        raise forbidden()
    secret = PREFIX + secrets.token_urlsafe(32)
    now = timezone.now()
    # His old ones go with each new one: what he leaves is what he took within the last minute of taking any.
    Ticket.objects.filter(user_id=identity.user_id, expires_at__lte=now).delete()
    expires_at = now + timedelta(seconds=LIFE_SECONDS)
    if identity.expires_at is not None:
        expires_at = min(expires_at, identity.expires_at)
    Ticket.objects.create(
        digest=digest_of(secret),
        user_id=identity.user_id,
        org=identity.org,
        origin=origin,
        proof=sealing.seal(proof),
        expires_at=expires_at,
    )
    return Issued(secret=secret, expires_at=expires_at, expires_in=int((expires_at - now).total_seconds()))


def use(ticket_id: int) -> bool:
    """Use a ticket up; False where somebody was quicker, or its time is over."""
    return usable().filter(pk=ticket_id).update(used_at=timezone.now()) == 1


def give_back(ticket_id: int) -> None:
    """Make a ticket usable again that opened nothing."""
    Ticket.objects.filter(pk=ticket_id).update(used_at=None)


def usable() -> QuerySet[Ticket]:
    """Return the tickets that may still be used."""
    return Ticket.objects.filter(used_at=None, expires_at__gt=timezone.now())


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
