"""`tail ORG`: follows an org's log in the terminal, from any process, whatever serves the streams."""

from __future__ import annotations

import time
from typing import Any

import orjson
from django.core.management.base import CommandParser

from streaming import log
from streaming.core import wire
from streaming.core.entry import Entry
from streaming.core.event import iso_instant
from streaming.management.command import OneLineCommand, cursor_option, org_key, position_of

EVERY = 0.2
AT_ONCE = 200


class Command(OneLineCommand):
    help = "Follow an org's log; ends with Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("org", metavar="ORG", help="the org, by slug or id")
        parser.add_argument("--after", metavar="CURSOR", help="begin behind this cursor instead of at the end")
        parser.add_argument("--json", action="store_true", help="one JSON object per line")

    def handle(self, *args: Any, **options: Any) -> None:
        after = cursor_option(options["after"])
        org = org_key(options["org"])
        head = log.head(org)
        position = head.sequence if after is None else position_of(org, after)
        show = _as_json if options["json"] else _as_line
        try:
            while True:
                page = log.read(org, first=position + 1, limit=AT_ONCE)
                if page.head.epoch != head.epoch or page.head.sequence < position:
                    self.stderr.write("The log was replaced; going on at its end.")
                    head, position = page.head, page.head.sequence
                    continue
                for entry in page.entries:
                    if entry.type != wire.RIGHTS:  # which is the engine's own
                        self.stdout.write(show(entry))
                    position = entry.sequence
                self.stdout.flush()
                if len(page.entries) < AT_ONCE:
                    time.sleep(EVERY)
        except KeyboardInterrupt:
            return


def _as_line(entry: Entry) -> str:
    return f"{iso_instant(entry.emitted_at)}  {entry.sequence:>8}  {entry.type:<26}  {entry.data.decode()}"


def _as_json(entry: Entry) -> str:
    return orjson.dumps(
        {
            "id": str(entry.cursor),
            "event": entry.type,
            "data": orjson.Fragment(entry.data),
            "sequence": entry.sequence,
            "emittedAt": iso_instant(entry.emitted_at),
        }
    ).decode()
