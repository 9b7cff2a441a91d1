from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator

import pytest
from django.db import OperationalError
from pytest_django.fixtures import Settings

from streaming import publisher, sequencer
from streaming.core.entry import Batch
from streaming.models import LogEntry
from streaming.sequencer import Sequencer
from tests.processes import wait_until
from tests.streaming.sync.sample import commit, detected, new_org, sequences, waiting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


class Heard:
    """What a sequencer's listener was told, and in which thread."""

    def __init__(self) -> None:
        self.batches: queue.Queue[Batch] = queue.Queue()
        self.threads: set[str] = set()

    def __call__(self, batch: Batch) -> None:
        self.threads.add(threading.current_thread().name)
        self.batches.put(batch)

    def next(self) -> Batch:
        return self.batches.get(timeout=10)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def rare_sweeps(settings: Settings) -> None:
    settings.STREAMING = {**settings.STREAMING, "SWEEP_EVERY": 1000.0}


@pytest.fixture
def thread(heard: Heard) -> Iterator[Sequencer]:
    started = sequencer.start(heard)
    yield started
    started.stop()


@pytest.mark.usefixtures("rare_sweeps")
def test_a_commit_is_handed_to_the_processs_own_thread(thread: Sequencer, heard: Heard, org: str) -> None:
    commit(org, range(3))
    batch = heard.next()
    assert (batch.org, batch.head, len(batch.entries)) == (org, 3, 3)
    assert heard.threads == {"streaming-sequencer"}


@pytest.mark.usefixtures("rare_sweeps", "thread")
def test_what_is_handed_over_meanwhile_is_taken_in_one_go(
    heard: Heard, org: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, let_go = threading.Event(), threading.Event()
    real, asked = sequencer.sequence, []

    def slow(orgs: set[str]) -> Iterator[Batch]:
        asked.append(set(orgs))
        held.set()
        assert let_go.wait(10)
        return real(orgs)

    monkeypatch.setattr(sequencer, "sequence", slow)
    others = {new_org() for _ in range(5)}
    commit(org)
    assert held.wait(10)
    for other in others:
        commit(other)
    let_go.set()
    assert {heard.next().org for _ in range(6)} == {org, *others}
    assert [orgs for orgs in asked if orgs] == [{org}, others]


def test_the_sweeper_takes_what_a_dead_process_has_left(heard: Heard, org: str, settings: Settings) -> None:
    settings.STREAMING = {**settings.STREAMING, "SWEEP_EVERY": 0.05}
    LogEntry.objects.create(org=org, type="change.detected", data=detected().payload().decode())
    thread = Sequencer(heard, jitter=lambda: 0.5)
    thread.start()
    try:
        assert heard.next().org == org
        LogEntry.objects.create(org=org, type="change.detected", data=detected().payload().decode())
        assert heard.next().head == 2
    finally:
        thread.stop()
    assert not thread.is_alive()


def test_stopping_finishes_what_was_handed_over(heard: Heard, org: str) -> None:
    thread = sequencer.start(heard)
    commit(org, range(4))
    thread.stop()
    assert not thread.is_alive()
    assert heard.next().head == 4
    assert waiting(org) == 0


def test_after_the_thread_has_ended_a_commit_sequences_inline(heard: Heard, org: str) -> None:
    sequencer.start(heard).stop()
    commit(org)
    assert sequences(org) == [1]
    assert heard.batches.empty()


def test_stopping_an_older_thread_leaves_the_current_one(heard: Heard, org: str) -> None:
    older = Sequencer(heard)
    older.start()
    current = sequencer.start(heard)
    try:
        older.stop()
        commit(org)
        assert heard.next().org == org
        assert current.is_alive()
    finally:
        current.stop()


def test_a_listener_that_fails_does_not_end_the_thread(
    org: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.STREAMING = {**settings.STREAMING, "SWEEP_EVERY": 0.05}
    told: list[int] = []

    def failing(batch: Batch) -> None:
        told.append(batch.head)
        if len(told) == 1:
            raise ValueError("a listener's own mistake")

    thread = sequencer.start(failing)
    try:
        commit(org)
        wait_until(lambda: told == [1], within=10, what="the first batch")
        commit(org)
        wait_until(lambda: told == [1, 2], within=10, what="the second batch")
    finally:
        thread.stop()
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == ["sequencing failed"]


def test_a_database_that_is_away_is_told_once_and_nothing_is_lost(
    heard: Heard, org: str, settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    settings.STREAMING = {**settings.STREAMING, "SWEEP_EVERY": 0.02}
    asked: list[None] = []

    def away() -> set[str]:
        asked.append(None)
        raise OperationalError("connection refused")

    monkeypatch.setattr(sequencer, "waiting_orgs", away)
    thread = Sequencer(heard)
    thread.start()
    try:
        wait_until(lambda: len(asked) >= 5, within=10, what="five sweeps in vain")
        LogEntry.objects.create(org=org, type="change.detected", data=detected().payload().decode())
        monkeypatch.undo()
        assert heard.next().org == org
    finally:
        thread.stop()
    said = [record.getMessage() for record in caplog.records if record.name == "streaming.sequencer"]
    assert said == [
        "the outbox waits, the database does not answer: connection refused",
        "the database is back, the outbox is being sequenced",
    ]


def test_inline_sequencing_pokes_once_per_batch(org: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pokes: list[tuple[str, int]] = []
    monkeypatch.setattr(publisher, "poke", lambda org, head: pokes.append((org, head)))
    commit(org, range(3))
    commit(org)
    assert pokes == [(org, 3), (org, 4)]
