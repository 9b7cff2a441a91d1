"""`replay ORG`: appends copies of a stretch of the log to a sandbox, at its own pace or faster.

A copy has the original's type, payload and columns, a position of its own in the other log, and remembers the
original's cursor in `replay_of`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandParser
from django.db import models
from django.utils.dateparse import parse_date, parse_datetime
from rich.console import Console
from rich.progress import Progress

from streaming import access, conf, log
from streaming.core import wire
from streaming.core.stream import registry
from streaming.management.command import BadInput, OneLineCommand, cursor_option, org_key, position_of
from streaming.models import LogEntry
from streaming.outbox import append_copies

AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    org: str
    after: int
    until: int
    since: datetime | None
    before: datetime | None
    types: frozenset[str]

    def rows(self) -> models.QuerySet[LogEntry]:
        """Return the events of the stretch; what its log says of rights is about its own org, and is not copied."""
        rows = LogEntry.objects.using(conf.streaming.DATABASE).filter(
            org=self.org, sequence__gt=self.after, sequence__lte=self.until
        )
        rows = rows.exclude(type=wire.RIGHTS)
        if self.since is not None:
            rows = rows.filter(emitted_at__gte=self.since)
        if self.before is not None:
            rows = rows.filter(emitted_at__lt=self.before)
        return rows.filter(type__in=self.types) if self.types else rows

    def batches(self) -> Iterator[list[LogEntry]]:
        """Yield the rows in order, a few at a time, so that a log of any length fits."""
        after = self.after
        while batch := list(self.rows().filter(sequence__gt=after).order_by("sequence")[:AT_ONCE]):
            yield batch
            after = batch[-1].sequence or 0


class Command(OneLineCommand):
    help = "Append copies of a stretch of an org's log to another org, by default its sandbox."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("org", metavar="ORG", help="the org, by slug or id")
        parser.add_argument("--after", metavar="CURSOR", help="begin behind this cursor")
        parser.add_argument("--since", metavar="T", help="from this time on (ISO 8601; UTC where no zone is given)")
        parser.add_argument("--until", metavar="T", help="up to this time, excluded")
        parser.add_argument("--types", default="", metavar="A,B", help="only these types")
        parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="times its own pace; 0: no pauses")
        parser.add_argument("--to", metavar="ORG", help="where the copies go (default: the org's sandbox)")
        parser.add_argument("--dry-run", action="store_true", help="say what would be copied, copy nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        types = _types(options["types"])
        since, before = _instant("--since", options["since"]), _instant("--until", options["until"])
        after = cursor_option(options["after"])
        speed = options["speed"]
        if not 0 <= speed < float("inf"):
            raise BadInput("--speed is a number from 0 up.")
        if since and before and since >= before:
            raise BadInput("--since must be earlier than --until.")
        org = org_key(options["org"])
        head = log.head(org)
        stretch = Stretch(
            org=org,
            after=position_of(org, after) if after else 0,
            until=head.sequence,
            since=since,
            before=before,
            types=types,
        )
        count = stretch.rows().count()
        if options["dry_run"]:
            self._describe(stretch, count)
            return
        to = org_key(options["to"]) if options["to"] else access.current().sandbox_of(org)
        if count:
            self._copy(stretch, count, to, head.epoch, speed)
        self.stdout.write(f"{count} events copied to {to}; look at them with: manage.py tail {to}")

    def _describe(self, stretch: Stretch, count: int) -> None:
        by_type = stretch.rows().values_list("type").annotate(n=models.Count("id")).order_by("type")
        ends = stretch.rows().aggregate(first=models.Min("sequence"), last=models.Max("sequence"))
        reach = f", from {ends['first']} to {ends['last']}" if count else ""
        self.stdout.write(f"{count} events would be copied{reach}.")
        for type_, number in by_type:
            self.stdout.write(f"{number:8} {type_}")

    def _copy(self, stretch: Stretch, count: int, to: str, epoch: str, speed: float) -> None:
        started = time.monotonic()
        origin: datetime | None = None
        console = Console(stderr=True)
        with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
            task = progress.add_task("copying", total=count)
            for batch in stretch.batches():
                for group in _simultaneous(batch, paced=speed > 0):
                    origin = origin or group[0].emitted_at
                    if speed > 0:
                        due = started + (group[0].emitted_at - origin).total_seconds() / speed
                        time.sleep(max(0.0, due - time.monotonic()))
                    append_copies(group, org=to, epoch=epoch)
                    progress.advance(task, len(group))


def _simultaneous(rows: list[LogEntry], *, paced: bool) -> Iterator[list[LogEntry]]:
    """Group rows that belong to the same moment; all of them where pace does not matter."""
    group: list[LogEntry] = []
    for row in rows:
        if paced and group and row.emitted_at > group[-1].emitted_at:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _types(text: str) -> frozenset[str]:
    types = frozenset(part.strip() for part in text.split(",") if part.strip())
    unknown = sorted(types - registry.events.keys())
    if unknown:
        raise BadInput(f"No event {unknown[0]!r} is declared; there are: {', '.join(sorted(registry.events))}.")
    return types


def _instant(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = parse_datetime(text)
        day = parse_date(text) if at is None else None
    except ValueError:
        at = day = None
    if at is None and day is not None:
        at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if at is None:
        raise BadInput(f"{name} is a time such as 2026-01-31T09:30:00Z, not {text!r}.")
    try:
        return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        raise BadInput(f"{name} must lie in the years 1 to 9999 of UTC, and is {text!r}.") from None
