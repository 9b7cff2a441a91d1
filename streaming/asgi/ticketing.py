"""`POST /v1/stream/tickets`: a ticket for who has signed in by something better."""

from __future__ import annotations

from typing import ClassVar

from streaming import csrf, tickets
from streaming.asgi.admission import arrive
from streaming.asgi.consumers import Consumer
from streaming.asgi.exchange import Exchange
from streaming.asgi.lifespan import Process
from streaming.core.errors import Refused, forbidden
from streaming.core.event import iso_instant
from streaming.core.wire import canonical


class TicketConsumer(Consumer):
    """Answers 201 with `ticket`, `expiresAt` and `expiresIn` in seconds."""

    allowed: ClassVar[str] = "POST, OPTIONS"

    async def serve(self, exchange: Exchange, process: Process) -> None:
        if exchange.method != "POST":
            raise Refused(405, "method-not-allowed", "Tickets are taken with POST.", headers={"Allow": self.allowed})
        identity = await arrive(exchange, process)
        if identity.credential.cookie and not await process.bridge.ask(csrf.passes, exchange.scope):
            raise forbidden()
        issued = await process.bridge.ask(tickets.issue, identity, origin=exchange.headers.get("origin", ""))
        body = {
            "ticket": issued.secret,
            "expiresAt": iso_instant(issued.expires_at),
            "expiresIn": issued.expires_in,
        }
        await exchange.answer(201, canonical(body), headers={"Cache-Control": "no-store"})
