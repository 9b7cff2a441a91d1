"""A project of the tests' own around the engine: a feed with two events, orgs and rights in a dict, real tokens.

The database, the sequencer, the hub and the consumers are the real ones; only `send` and `receive` are the tests'
(`tests.streaming.asgi.wire`). Every org that a test asks for is new, so nothing is left over from another test.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import transaction

from streaming import Event, Rights, Stream, log, revocation
from streaming.access import Access
from streaming.asgi import lifespan
from streaming.asgi.lifespan import Process
from streaming.asgi.org import OrgHub
from streaming.core.cursor import Cursor, Head
from streaming.core.event import Announcement
from streaming.core.rights import EVERYTHING
from streaming.models import ApiToken, LogEntry
from streaming.models import Head as HeadRow
from streaming.outbox import emit_many
from tests.streaming.asgi.wire import Wire

_numbers = itertools.count(1)


class Noted(Event, type="test.noted"):
    number: int
    text: str = ""


class Whispered(Event, type="test.whispered"):
    number: int


class Stated(Event, type="test.stated"):
    number: int


class Members(Access):
    """Who belongs where is what a test has written into `rights_in`."""

    rights_in: dict[tuple[str, str], Rights] = {}
    before_rights: Callable[[], None] | None = None
    switched_off: set[str | None] = set()
    """Feeds that are off, and orgs whose feeds are."""

    def orgs(self, user: Any) -> set[str]:
        return {org for pk, org in self.rights_in if pk == str(user.pk)}

    def rights(self, user: Any, org: str) -> Rights | None:
        if Members.before_rights is not None:
            Members.before_rights()
        return self.rights_in.get((str(user.pk), org))

    def enabled(self, stream: Stream, org: str | None) -> bool:
        return not {stream.name, org} & self.switched_off


PATH = "/test/stream"
VISITOR = "visitor-of-the-test-feed-"


class Feed:
    """The stream under test, and the state that its snapshot tells: a number per org."""

    def __init__(self) -> None:
        self.state: dict[str, list[Announcement | Event]] = {}
        self.stream = Stream(
            "test-feed", path="test/stream", events_path="test/events", snapshot=self.snapshot, has_switch=True
        )
        self.stream.announces(Noted, Whispered, Stated)

    def snapshot(self, org: str, rights: Rights) -> Iterable[Event | Announcement]:
        return list(self.state.get(org, [Stated(number=0)]))


@dataclass(frozen=True, kw_only=True)
class Visitor:
    org: str
    user: Any
    token: str
    row: ApiToken


@dataclass
class World:
    """What a test holds in its hands."""

    application: Any
    feed: Feed
    settings: Any
    wires: list[Wire] = field(default_factory=list)

    @property
    def process(self) -> Process:
        return lifespan.current()

    def configure(self, **changed: Any) -> None:
        """Change settings of `streaming`; before the process starts, where it reads them at its start."""
        self.settings.STREAMING = {**self.settings.STREAMING, **changed}

    # -- people ----------------------------------------------------------------------------------------------------

    def org(self) -> str:
        return f"test-{next(_numbers)}"

    async def visitor(
        self, org: str | None = None, *, rights: Rights | None = EVERYTHING, expires_at: datetime | None = None
    ) -> Visitor:
        org = org or self.org()
        user = await sync_to_async(get_user_model().objects.create)(username=f"{VISITOR}{next(_numbers)}")
        if rights is not None:
            self.grant(user, org, rights)
        row, token = await sync_to_async(ApiToken.issue)(user=user, org=org, expires_at=expires_at)
        return Visitor(org=org, user=user, token=token, row=row)

    async def recheck(self, org: str, *users: Any) -> None:
        """Commit an entry that has these users' rights looked up anew; everybody's, if none is named."""
        await sync_to_async(revocation.recheck)(org, [str(user.pk) for user in users])

    def withdraw(self, user: Any, org: str) -> None:
        del Members.rights_in[str(user.pk), org]

    def grant(self, user: Any, org: str, rights: Rights = EVERYTHING) -> None:
        Members.rights_in[str(user.pk), org] = rights

    # -- requests --------------------------------------------------------------------------------------------------

    def wire(self, path: str = PATH, *, visitor: Visitor | None = None, **told: Any) -> Wire:
        headers = dict(told.pop("headers", {}))
        if visitor is not None:
            headers["Authorization"] = f"Bearer {visitor.token}"
        wire = Wire(self.application, path, headers=headers, **told)
        self.wires.append(wire)
        return wire

    async def open(self, visitor: Visitor, *, cursor: str | None = None, **told: Any) -> Wire:
        """Open a stream and read it up to `stream.caught_up`."""
        wire = await self.opened(visitor, cursor=cursor, **told)
        await wire.next(event="stream.caught_up")
        return wire

    async def opened(self, visitor: Visitor, *, cursor: str | None = None, **told: Any) -> Wire:
        headers = dict(told.pop("headers", {}))
        if cursor is not None:
            headers["Last-Event-ID"] = cursor
        wire = self.wire(visitor=visitor, headers=headers, **told)
        await wire.start()
        assert wire.status == 200, wire.body
        return wire

    async def close(self) -> None:
        for wire in self.wires:
            await wire.leave()

    # -- the log ---------------------------------------------------------------------------------------------------

    async def emit(self, org: str, *announcements: Event | Announcement) -> list[LogEntry]:
        """Commit events in one transaction."""
        return await sync_to_async(self._emit)(org, [Announcement.of(one) for one in announcements])

    def _emit(self, org: str, announcements: list[Announcement]) -> list[LogEntry]:
        with transaction.atomic():
            return emit_many([(org, one) for one in announcements])

    async def note(self, org: str, count: int, *, start: int = 1, text: str = "") -> list[Cursor]:
        """Commit `count` events, and return their cursors once they are in the log."""
        before = (await self.head(org)).sequence
        await self.emit(org, *(Noted(number=start + number, text=text) for number in range(count)))
        await self.reached(org, before + count)
        return (await self.cursors(org))[-count:]

    async def head(self, org: str) -> Head:
        return await sync_to_async(log.head)(org)

    async def reached(self, org: str, sequence: int) -> None:
        await eventually(lambda: self._at(org, sequence))

    async def _at(self, org: str, sequence: int) -> bool:
        return (await self.head(org)).sequence >= sequence

    async def cursors(self, org: str) -> list[Cursor]:
        """Return the cursors of all entries that are kept."""
        page = await sync_to_async(log.read)(org, first=(await self.head(org)).floor or 1, limit=100_000)
        return [entry.cursor for entry in page.entries]

    async def rewind(self, org: str, sequence: int, *, epoch: str | None = None) -> None:
        """Restore an org's log to an older state, or as another log, as a restored database has it."""
        await sync_to_async(self._rewind)(org, sequence, epoch)

    def _rewind(self, org: str, sequence: int, epoch: str | None) -> None:
        with transaction.atomic():
            LogEntry.objects.filter(org=org, sequence__gt=sequence).delete()
            top = LogEntry.objects.filter(org=org, sequence=sequence).first()
            fingerprint = log.fingerprint(top.uid) if top is not None else "00000000"
            row = HeadRow.objects.get(org=org)
            HeadRow.objects.filter(org=org).update(
                sequence=sequence, fingerprint=fingerprint, epoch=epoch or row.epoch, floor=min(row.floor, sequence)
            )

    async def trim(self, org: str, *, floor: int) -> None:
        """Trim an org's log so that `floor` is the oldest entry that is kept."""
        keep = (await self.head(org)).sequence - floor + 1
        from django.utils import timezone

        await sync_to_async(log.trim)(org, before=timezone.now(), keep=keep)

    def hub(self, org: str) -> OrgHub:
        return self.process.hub.orgs[org]


class Visitors:
    """The users that a world has made, and no others."""

    def all(self) -> Any:
        return get_user_model().objects.filter(username__startswith=VISITOR)


async def eventually(holds: Callable[[], Any], *, within: float = 5.0) -> None:
    """Return as soon as `holds()` is true; it may be a coroutine function."""
    async with asyncio.timeout(within):
        while True:
            result = holds()
            if asyncio.iscoroutine(result):
                result = await result
            if result:
                return
            await asyncio.sleep(0.005)


def numbers(blocks: Iterable[Any]) -> Iterator[int]:
    """Yield the numbers that the events among some blocks carry."""
    for block in blocks:
        if block.event and block.event.startswith("test."):
            yield block.json["number"]
