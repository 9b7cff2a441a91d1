"""Reconnect tokens: what `stream.open` hands out so that the same stream can be opened again without signing in anew.

A page that came with a ticket has used it up; what it shows on the next connect is this. It is a value that this site
alone can read and make: for one user and org, for pages of one origin, at one address, worth what the credential is
worth by which the first connection was opened. It may be used again and again until five minutes after the connection
that it was issued on could have lived, and brings the position at which that one began.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from django.http import QueryDict
from django.utils import timezone

from streaming import authentication, conf, proofs, sealing
from streaming.authentication import Binding, Credential, Identity, Kind

PREFIX = "rlr_"
GRACE_SECONDS = 300.0


class ReconnectToken(Kind):
    """`?token=rlr_…`."""

    name = "reconnect"
    streams_only = True

    def find(self, headers: Mapping[str, str], query: QueryDict) -> Credential | None:
        value = query.get("token", "").strip()
        return Credential(kind=self.name, value=value) if value.startswith(PREFIX) else None

    def identify(self, credentials: Sequence[Credential]) -> list[Identity | None]:
        offers = [_opened(credential.value) for credential in credentials]
        holders = proofs.holders([offer.proof if offer is not None else "" for offer, _ in offers])
        return [_identity(*opened, holder) for opened, holder in zip(offers, holders, strict=True)]


def _identity(offer: Offer | None, position: str, holder: Identity | None) -> Identity | None:
    if offer is None or holder is None or holder.user_id != offer.user_id:
        return None
    org = holder.org if holder.token_id else offer.org
    return replace(holder, org=org, binding=offer.binding, position=position)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a connection's reconnect tokens are for."""

    user_id: str
    org: str
    binding: Binding
    proof: str

    def token(self, position: str) -> str:
        """Return a token that resumes at this position where its bearer gives no cursor of his own."""
        until = round(timezone.now().timestamp() + conf.streaming.LIFE_MAX + GRACE_SECONDS)
        origin, address = self.binding.origin, self.binding.address
        return PREFIX + sealing.seal([self.user_id, self.org, origin, address, self.proof, position, until])


def _opened(token: str) -> tuple[Offer | None, str]:
    match sealing.unseal(token.removeprefix(PREFIX)):
        case [str(user_id), str(org), str(origin), str(address), str(proof), str(position), int(until)]:
            if until > timezone.now().timestamp():
                binding = Binding(origin=origin, address=address)
                return Offer(user_id=user_id, org=org, binding=binding, proof=proof), position
    return None, ""


def offered() -> bool:
    """Say whether this site takes such tokens."""
    return ReconnectToken.name in authentication.kinds()
