"""Eight writers as unkind as users are, and readers that look on meanwhile.

Each transaction changes one row under its lock, emits for two orgs, sleeps a little, and now and then is rolled back,
as a whole or in a savepoint. Everything that is done is noted in a `History`.
"""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from typing import Any

from django.db import transaction

from streaming import log
from streaming.models import LogEntry
from streaming.outbox import emit, emit_many
from tests.streaming.sync.history import History, Read, Written
from tests.streaming.sync.sample import detected

ROLLBACKS = 0.15
TOGETHER = 12


class Undo(Exception):
    pass


class Writer:
    """Writes until it has committed `events` of them."""

    def __init__(
        self, number: int, *, seed: int, items: list[Any], events: int, history: History, pause: float
    ) -> None:
        self._name = f"w{number}"
        self._rng = random.Random(f"{seed}-{number}")
        self._items = items
        self._events = events
        self._history = history
        self._pause = pause
        self._keys = itertools.count(1)

    def __call__(self) -> None:
        done = 0
        while done < self._events:
            done += self._transaction()

    def _transaction(self) -> int:
        fate = self._rng.random()
        wrong: list[Written] = []
        right: list[Written] = []
        try:
            with transaction.atomic():
                right.append(self._change())
                self._sleep()
                right += self._emit()
                if fate < ROLLBACKS / 2:
                    raise Undo
                if fate < ROLLBACKS:
                    wrong += self._savepoint()
                    right += self._emit()
                self._sleep()
        except Undo:
            wrong += right
            right = []
        self._history.committed.extend(right)
        self._history.aborted.extend(wrong)
        return len(right)

    def _savepoint(self) -> list[Written]:
        undone: list[Written] = []
        try:
            with transaction.atomic():
                undone += self._emit()
                raise Undo
        except Undo:
            return undone

    def _change(self) -> Written:
        """Change one row under its lock, so that its turns are the order of its writes."""
        model = type(self._items[0])
        item = model.objects.select_for_update(no_key=True).get(pk=self._rng.choice(self._items).pk)
        item.turn += 1
        item.label = self._key()
        item.save()
        return Written(key=item.label, org=item.org_id, row=str(item.pk), turn=item.turn)

    def _emit(self) -> list[Written]:
        orgs = [self._rng.choice(self._items).org_id for _ in range(TOGETHER)]
        notes = [Written(key=self._key(), org=org) for org in orgs]
        if self._rng.random() < 0.5:
            emit_many([(one.org, detected(one.key).about("")) for one in notes])
        else:
            for one in notes[:1]:
                emit(detected(one.key), org=one.org)
            notes = notes[:1]
        return notes

    def _key(self) -> str:
        return f"{self._name}-{next(self._keys)}"

    def _sleep(self) -> None:
        if self._rng.random() < 0.3:
            time.sleep(self._rng.random() * self._pause)


class Reader(threading.Thread):
    """Follows orgs by polling until it is told that nobody writes any more, and has polled `polls` times."""

    def __init__(self, orgs: list[str], *, polls: int = 0) -> None:
        super().__init__(daemon=True)
        self.seen: dict[str, list[Read]] = {org: [] for org in orgs}
        self.polls = 0
        self.gaps = 0
        self.finished = threading.Event()
        self._least = polls

    def follow(self) -> None:
        """Poll until done; then once more round, for what came last."""
        while not self.finished.is_set() or self.polls < self._least:
            self._round()
        self._round()

    def _round(self) -> None:
        for org, seen in self.seen.items():
            self.polls += 1
            self._poll(org, seen)

    def _poll(self, org: str, seen: list[Read]) -> None:
        after = seen[-1].sequence if seen else 0
        page = log.read(org, first=after + 1, limit=500)
        if page.head.sequence > after and (not page.entries or page.entries[0].sequence != after + 1):
            self.gaps += 1
        seen += [Read(key=key_of(one.data), sequence=one.sequence) for one in page.entries]


class ReaderById(Reader):
    """The mutant that DESIGN forbids: goes on from the highest id that it has seen."""

    def __init__(self, orgs: list[str]) -> None:
        super().__init__(orgs)
        self._after = dict.fromkeys(orgs, 0)

    def _poll(self, org: str, seen: list[Read]) -> None:
        rows = LogEntry.objects.filter(org=org, id__gt=self._after[org]).order_by("id")
        for id_, data in rows.values_list("id", "data"):
            self._after[org] = id_
            seen.append(Read(key=key_of(data), sequence=len(seen) + 1))


def key_of(data: bytes | str) -> str:
    payload: dict[str, str] = json.loads(data)
    return payload.get("headline") or payload["label"]
