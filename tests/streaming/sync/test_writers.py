"""10,000 events by 8 writers and 2 sequencers, read by one reader as it should be and by one as it should not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from pytest_django.fixtures import Settings

from streaming import sequencer
from streaming.core.entry import Batch
from streaming.core.stream import registry
from streaming.outbox import emit
from tests.processes import wait_until
from tests.streaming.sync.history import History, Written, check
from tests.streaming.sync.sample import detected, entries, new_org
from tests.streaming.sync.together import Thread, elsewhere, together
from tests.streaming.sync.workload import Reader, ReaderById, Writer, key_of

WRITERS = 8
EVENTS = 10_000
POLLS = 5_000
SEED = 73_001

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def quiet_shelf(shelf: Any) -> Any:
    """Leave the shelf one event per save."""
    registry.rules[:] = [
        rule for rule in registry.rules if rule.model is not shelf.Item or rule.make.__name__ in ("saved", "gone")
    ]
    return shelf


@pytest.fixture
def two_sequencers(settings: Settings, many_connections: None) -> Iterator[list[Batch]]:
    """Run one sequencer that is handed the orgs and one that sweeps all the time."""
    settings.STREAMING = {**settings.STREAMING, "SWEEP_EVERY": 0.02}
    batches: list[Batch] = []
    sweeping = sequencer.Sequencer(batches.append)
    sweeping.start()
    handed = sequencer.start(batches.append)
    yield batches
    handed.stop()
    sweeping.stop()


def test_nothing_is_lost_invented_doubled_or_misplaced(quiet_shelf: Any, two_sequencers: list[Batch]) -> None:
    orgs = [new_org() for _ in range(4)]
    items = [quiet_shelf.Item.objects.create(org_id=orgs[n % 4], label=f"made-{n}") for n in range(12)]
    history = History()
    true, by_id = Reader(orgs, polls=POLLS), ReaderById(orgs)
    looking = [Thread(true.follow)]
    if connection.vendor == "postgresql":
        looking.append(Thread(by_id.follow))
    pause = 0.004 if connection.vendor == "postgresql" else 0.001
    try:
        together(
            [
                Writer(n, seed=SEED, items=items, events=EVENTS // WRITERS, history=history, pause=pause)
                for n in range(WRITERS)
            ],
            within=100,
        )
        wait_until(lambda: not sequencer.waiting_orgs(), within=10, what="everything is sequenced")
    finally:
        true.finished.set()
        by_id.finished.set()
    for thread in looking:
        thread.end()

    made = {f"made-{n}" for n in range(12)}
    seen = {org: [one for one in true.seen[org] if one.key not in made] for org in orgs}
    offset = {org: len(true.seen[org]) - len(seen[org]) for org in orgs}
    seen = {org: [type(one)(key=one.key, sequence=one.sequence - offset[org]) for one in seen[org]] for org in orgs}
    assert len(history.committed) >= EVENTS
    assert len(history.aborted) > 500
    assert not check(history, seen), f"seed {SEED}"
    assert (true.gaps, true.polls >= POLLS) == (0, True)
    for org in orgs:
        assert [one.sequence for one in entries(org)] == list(range(1, len(true.seen[org]) + 1))
        live = sorted((batch for batch in two_sequencers if batch.org == org), key=lambda batch: batch.head)
        told = [key_of(one.data) for batch in live for one in batch.entries]
        assert told == [one.key for one in true.seen[org]], "the live batches are the log"
    if connection.vendor == "postgresql":
        assert check(history, by_id.seen)["lost"], "a reader by id must be caught"


@pytest.mark.postgres
def test_a_reader_by_id_loses_what_commits_late() -> None:
    """The same two transactions, read by sequence and by id."""
    org = new_org()
    true, by_id = Reader([org]), ReaderById([org])
    history = History()

    def look() -> None:
        true._round()
        by_id._round()

    with transaction.atomic():
        emit(detected("early id, late commit"), org=org)

        def overtakes() -> None:
            with transaction.atomic():
                emit(detected("late id, early commit"), org=org)

        elsewhere(overtakes)
        elsewhere(look)
    look()
    history.committed += [Written(key=f"{one}", org=org) for one in ("early id, late commit", "late id, early commit")]
    assert not check(history, true.seen)
    assert check(history, by_id.seen) == {"lost": 1}


def test_two_writers_of_one_row_are_announced_in_their_order_and_once(quiet_shelf: Any, many_connections: None) -> None:
    """`turn` is counted by the database itself, so it says who was first."""
    org = new_org()
    item = quiet_shelf.Item.objects.create(org_id=org)

    def writer(name: str) -> None:
        for n in range(150):
            with transaction.atomic():
                quiet_shelf.Item(pk=item.pk, org_id=org, label=f"{name}-{n}", turn=F("turn") + 1).save()
                time.sleep(0.001 * (n % 3))

    together([lambda: writer("a"), lambda: writer("b")])
    list(sequencer.sequence([org]))
    turns = [json.loads(one.data)["turn"] for one in entries(org)]
    assert turns == list(range(301))
