"""`trim`: lets go of what is older than the retention, org by org; a cursor below it is told so, never resumed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from streaming import conf, log
from streaming.management.command import BadInput, OneLineCommand, org_key
from streaming.models import Head


class Command(OneLineCommand):
    help = "Delete log entries that are older than the retention."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("org", metavar="ORG", nargs="?", help="only this org")
        parser.add_argument("--days", type=float, metavar="D", help="keep so many days (default: the setting)")
        parser.add_argument("--keep", type=int, metavar="N", help="and at least the newest N (default: the setting)")

    def handle(self, *args: Any, **options: Any) -> None:
        days = conf.streaming.STREAM_RETENTION_DAYS if options["days"] is None else options["days"]
        keep = conf.streaming.RETENTION_ENTRIES if options["keep"] is None else options["keep"]
        if not 0 <= days <= 36_500 or keep < 1:
            raise BadInput("--days is a number from 0 up, --keep a whole number from 1 up.")
        before = timezone.now() - timedelta(days=days)
        heads = Head.objects.using(conf.streaming.DATABASE).order_by("org").values_list("org", flat=True)
        orgs = [org_key(options["org"])] if options["org"] else list(heads)
        gone = sum(log.trim(org, before=before, keep=keep) for org in orgs)
        self.stdout.write(f"{gone} entries deleted in {len(orgs)} orgs.")
