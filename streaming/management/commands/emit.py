"""`emit ORG TYPE JSON`: a test event from any process, checked like any other; prints one cursor per line."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from pydantic import ValidationError

from streaming import conf, log, sequencer
from streaming.core.cursor import Cursor
from streaming.core.errors import EmitError, UnknownEvent
from streaming.core.event import CONTROL_PREFIX, Event
from streaming.core.stream import registry
from streaming.management.command import BadInput, OneLineCommand, org_key
from streaming.models import LogEntry
from streaming.outbox import emit_many

TOGETHER = 100
"""Events that share a transaction when no rate is asked for."""

SEQUENCED_WITHIN = 10.0


class Command(OneLineCommand):
    help = "Emit a test event into an org's log; prints its cursor."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("org", metavar="ORG", help="the org, by slug or id")
        parser.add_argument("type", metavar="TYPE")
        parser.add_argument("json", metavar="JSON", help="the event's payload")
        parser.add_argument("--count", type=int, default=1, metavar="N", help="emit it N times")
        parser.add_argument("--rate", type=float, metavar="R", help="at most R per second")
        parser.add_argument("--resource", default="", metavar="K", help="what the event is about")

    def handle(self, *args: Any, **options: Any) -> None:
        event = read_event(options["type"], options["json"])
        count, rate = options["count"], options["rate"]
        if not 1 <= count <= 1_000_000:
            raise BadInput("--count is a whole number from 1 to 1000000.")
        if rate is not None and not 0 < rate <= 100_000:
            raise BadInput("--rate is events per second, more than 0.")
        if len(options["resource"]) > 64 or options["resource"].split() not in ([], [options["resource"]]):
            raise BadInput("--resource is one word of at most 64 characters.")
        org = org_key(options["org"])
        started = time.monotonic()
        done = 0
        while done < count:
            if rate is not None:
                time.sleep(max(0.0, started + done / rate - time.monotonic()))
            size = 1 if rate is not None else min(TOGETHER, count - done)
            for cursor in self._emit(event, org, options["resource"], size):
                self.stdout.write(str(cursor))
            done += size

    def _emit(self, event: Event, org: str, resource: str, size: int) -> list[Cursor]:
        alias = conf.streaming.DATABASE
        try:
            with transaction.atomic(using=alias):
                rows = emit_many([(org, event.about(resource))] * size, using=alias)
        except EmitError as error:
            raise BadInput(str(error)) from None
        return cursors(org, rows)


def read_event(type_: str, text: str) -> Event:
    """Return the event of a type and its JSON, or say in a line why there is none."""
    if type_.startswith(CONTROL_PREFIX) or type_ == "heartbeat":
        raise BadInput(f"{type_} is the protocol's own and cannot be emitted.")
    try:
        return registry.event(type_).read(text.encode("utf-8", "replace"))
    except UnknownEvent:
        raise BadInput(f"No event {type_!r} is declared; there are: {', '.join(sorted(registry.events))}.") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"The payload of {type_} is not valid: {where + ': ' if where else ''}{first['msg']}") from None


def cursors(org: str, rows: list[LogEntry]) -> list[Cursor]:
    """Return the cursors of committed rows once they are sequenced, by us or by whoever holds the lock."""
    ids = [row.pk for row in rows]
    deadline = time.monotonic() + SEQUENCED_WITHIN
    alias = conf.streaming.DATABASE
    while True:
        found = dict(LogEntry.objects.using(alias).filter(pk__in=ids).values_list("pk", "sequence"))
        if all(found.get(pk) is not None for pk in ids):
            epoch = log.head(org).epoch
            return [Cursor(epoch, int(found[row.pk] or 0), log.fingerprint(row.uid)) for row in rows]
        if time.monotonic() > deadline:
            raise CommandError("The events are committed but not sequenced yet; another process holds the lock.")
        time.sleep(0.05)  # another process holds the head's lock and will take ours with its own
        sequencer.hand_over([org])
