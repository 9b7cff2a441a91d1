"""What writers did and what readers saw, and the one checker that judges a history, in Jepsen's words.

    lost              a committed event within a reader's window that it never saw
    aborted-read      an event of a transaction that was rolled back, or that nobody wrote
    duplicate         the same position twice on one connection
    skip              a connection jumped over an event that the reader only got by another connection
    nonmonotonic      a position after a later one: on a connection, or against the order in which one writer committed
    inconsistent-seq  one position with two events, or one event at two positions
    cross-org         an event of an org that is not the reader's

Pure: no clock, no I/O. A reader is taken to be unfiltered, so every position in its window is due to it.
"""

from __future__ import annotations

import enum
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Word(enum.StrEnum):
    LOST = "lost"
    ABORTED_READ = "aborted-read"
    DUPLICATE = "duplicate"
    SKIP = "skip"
    NONMONOTONIC = "nonmonotonic"
    INCONSISTENT_SEQ = "inconsistent-seq"
    CROSS_ORG = "cross-org"


class Anomaly(NamedTuple):
    word: Word
    sentence: str


class Event(NamedTuple):
    """An event that somebody wrote: its org, and what makes it this one and no other."""

    org: str
    identity: str


class Seen(NamedTuple):
    sequence: int
    fingerprint: str
    identity: str


@dataclass(frozen=True, kw_only=True)
class Write:
    """One transaction or savepoint; `number` counts what its writer began, so a higher one saw the lower ones end.

    `committed` is None where the database went away during the commit: nobody knows, and either is right. `at` is when
    it ended and `took` how long it lasted, in seconds of the machine's monotonic clock.
    """

    writer: int
    number: int
    committed: bool | None
    events: tuple[Event, ...]
    at: float = 0.0
    took: float = 0.0


@dataclass(kw_only=True)
class Connection:
    """What one connection delivered behind the position `after`."""

    after: int
    seen: list[Seen] = field(default_factory=list)


@dataclass(kw_only=True)
class Reader:
    """A client over all its connections; everything behind `start` up to `end` is due to it."""

    name: str
    org: str
    start: int
    end: int = 0
    connections: list[Connection] = field(default_factory=list)

    def begin(self, after: int) -> Connection:
        self.connections.append(Connection(after=after))
        return self.connections[-1]


KEYS = {
    "scheduler.tick": ("runId",),
    "run.stage": ("runId", "stage", "status"),
    "change.detected": ("changeReportId",),
    "change.stateChanged": ("changeReportId", "state"),
    "action.delivered": ("actionId", "status"),
    "org.entitlements.changed": ("changedAt", "compliancePack"),
}
"""What tells one event from every other of its type, given that writers never repeat a step."""


def identity(type: str, data: dict[str, Any]) -> str:
    return ":".join([type, *(str(data[key]) for key in KEYS[type])])


class History:
    """The recorder: writes and readers of one run."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.readers: list[Reader] = []
        self.origins: dict[str, int] = {}
        """Each org's head before the first of these writes, where it is not 0."""
        self._shared: dict[tuple[str, str], Seen] = {}

    def reader(self, name: str, org: str, *, start: int) -> Reader:
        self.readers.append(Reader(name=name, org=org, start=start))
        return self.readers[-1]

    def seen(self, cursor: str, type: str, data: str) -> Seen:
        """Return what a reader notes for an event; the same object for all who saw it alike, as there are millions."""
        found = self._shared.get((cursor, data))
        if found is None:
            _, sequence, fingerprint = cursor.split(".")
            found = self._shared[cursor, data] = Seen(int(sequence), fingerprint, identity(type, json.loads(data)))
        return found

    @property
    def committed(self) -> int:
        return sum(len(write.events) for write in self.writes if write.committed)

    @property
    def aborted(self) -> int:
        return sum(len(write.events) for write in self.writes if write.committed is False)

    @property
    def unknown(self) -> int:
        return sum(len(write.events) for write in self.writes if write.committed is None)

    @property
    def observed(self) -> int:
        return sum(len(connection.seen) for reader in self.readers for connection in reader.connections)


def check(history: History) -> list[Anomaly]:
    """Return everything that is wrong with a history."""
    return list(_Checker(history).anomalies())


def words(anomalies: Iterable[Anomaly]) -> set[str]:
    return {anomaly.word.value for anomaly in anomalies}


def _identities(writes: Iterable[Write], *, committed: bool | None) -> set[str]:
    return {event.identity for write in writes if write.committed is committed for event in write.events}


class _Checker:
    def __init__(self, history: History) -> None:
        self._history = history
        self._org_of = {event.identity: event.org for write in history.writes for event in write.events}
        self._committed = _identities(history.writes, committed=True)
        self._unknown = _identities(history.writes, committed=None)
        self._at: dict[tuple[str, int], Seen] = {}
        self._position: dict[str, int] = {}

    def anomalies(self) -> Iterator[Anomaly]:
        yield from self._foreign_and_aborted()
        yield from self._positions()
        for reader in self._history.readers:
            for connection in reader.connections:
                yield from self._order(reader, connection)
            yield from self._missing(reader)
        yield from self._never_seen()
        yield from self._cause()

    def _own(self, reader: Reader, connection: Connection) -> list[Seen]:
        """Return what has a place in the reader's log: not what belongs to somebody else, or to nobody."""
        return [
            one
            for one in connection.seen
            if self._may_be_seen(one.identity) and self._org_of[one.identity] == reader.org
        ]

    def _may_be_seen(self, identity: str) -> bool:
        return identity in self._committed or identity in self._unknown

    def _foreign_and_aborted(self) -> Iterator[Anomaly]:
        for reader in self._history.readers:
            for one in (one for connection in reader.connections for one in connection.seen):
                if not self._may_be_seen(one.identity):
                    yield Anomaly(Word.ABORTED_READ, f"{reader.name} saw {one.identity}, which was never committed")
                elif self._org_of[one.identity] != reader.org:
                    yield Anomaly(Word.CROSS_ORG, f"{reader.name} saw {one.identity} of {self._org_of[one.identity]}")

    def _positions(self) -> Iterator[Anomaly]:
        """Hold all readers to one log: what one has seen at a position, everybody sees there and nowhere else."""
        for reader in self._history.readers:
            for one in (one for connection in reader.connections for one in self._own(reader, connection)):
                here = self._at.setdefault((reader.org, one.sequence), one)
                position = self._position.setdefault(one.identity, one.sequence)
                if here is not one and here != one:
                    yield Anomaly(Word.INCONSISTENT_SEQ, f"{reader.org} has {here} and {one} at {one.sequence}")
                elif position != one.sequence:
                    yield Anomaly(Word.INCONSISTENT_SEQ, f"{one.identity} is at {position} and at {one.sequence}")

    def _order(self, reader: Reader, connection: Connection) -> Iterator[Anomaly]:
        top = connection.after
        here: set[int] = set()
        for one in self._own(reader, connection):
            if one.sequence in here:
                yield Anomaly(Word.DUPLICATE, f"{reader.name} got {one} twice on one connection")
            elif one.sequence <= top:
                yield Anomaly(Word.NONMONOTONIC, f"{reader.name} got {one} after {top}")
            here.add(one.sequence)
            top = max(top, one.sequence)
        jumped = set(range(connection.after + 1, top)) - here
        otherwise = self._sequences(reader) if jumped else set()
        for sequence in sorted(jumped & otherwise):
            yield Anomaly(Word.SKIP, f"{reader.name} jumped over {sequence} on a connection")

    def _sequences(self, reader: Reader) -> set[int]:
        return {one.sequence for connection in reader.connections for one in self._own(reader, connection)}

    def _missing(self, reader: Reader) -> Iterator[Anomaly]:
        for sequence in sorted(set(range(reader.start + 1, reader.end + 1)) - self._sequences(reader)):
            yield Anomaly(Word.LOST, f"{reader.name} never saw {self._at.get((reader.org, sequence), sequence)}")

    def _never_seen(self) -> Iterator[Anomaly]:
        """Report what no reader saw of an org that somebody has read from its beginning."""
        origins = self._history.origins
        whole = {reader.org for reader in self._history.readers if reader.start <= origins.get(reader.org, 0)}
        for one in sorted(self._committed - self._position.keys()):
            if self._org_of[one] in whole:
                yield Anomaly(Word.LOST, f"nobody saw {one}")

    def _cause(self) -> Iterator[Anomaly]:
        """Hold the log to cause: what a writer had committed comes before what it began afterwards."""
        tops: dict[tuple[int, str], int] = defaultdict(int)
        for write in sorted(self._history.writes, key=lambda write: (write.writer, write.number)):
            for event in write.events if write.committed else ():
                position = self._position.get(event.identity)
                if position is None:
                    continue
                top = tops[write.writer, event.org]
                if position < top:
                    yield Anomaly(Word.NONMONOTONIC, f"{event.identity} is at {position}, its cause at {top}")
                tops[write.writer, event.org] = max(top, position)
