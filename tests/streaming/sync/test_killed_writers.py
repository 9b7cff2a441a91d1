"""Writers that are killed with SIGKILL, in processes of their own: a row and its event exist together or not at all."""

from __future__ import annotations

import itertools
import random
import subprocess
from collections.abc import Iterator

import pytest

from redline.monitoring.models import Entitlement
from streaming import sequencer
from streaming.models import LogEntry
from tests.environment import PYTHON, ROOT, for_child
from tests.leftovers import forget, look_after
from tests.streaming.sync.sample import database_url, new_org, sequences

SEED = 5_150
POINTS = ["before-the-event", "before-the-commit", "before-the-sequencing", "inside-the-sequencing", "anywhere"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


class Mortal:
    """The process that forks writers and kills them."""

    def __init__(self) -> None:
        self._popen = subprocess.Popen(
            [PYTHON, "-W", "ignore", "-m", "tests.streaming.sync.mortal"],
            cwd=ROOT,
            env=for_child({"DATABASE_URL": database_url(), "COVERAGE_PROCESS_CONFIG": None}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        look_after(self._popen.pid)

    def kill_one(self, point: str, seed: int) -> None:
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.write(f"{point} {new_org().replace('_', '-')} {seed}\n")
        self._popen.stdin.flush()
        assert self._popen.stdout.readline() == "killed\n"

    def end(self) -> None:
        self._popen.communicate(timeout=10)
        forget(self._popen.pid)


@pytest.fixture(scope="module")
def mortal(django_db_setup: None) -> Iterator[Mortal]:
    process = Mortal()
    yield process
    process.end()


def rows_and_events() -> tuple[set[str], list[str]]:
    return set(Entitlement.objects.values_list("org_id", flat=True)), list(
        LogEntry.objects.values_list("org", flat=True)
    )


def kill(mortal: Mortal, runs: int) -> None:
    rng = random.Random(SEED)
    for _, point in zip(range(runs), itertools.cycle(POINTS), strict=False):
        mortal.kill_one(point, rng.randrange(10**6))
        rows, events = rows_and_events()
        assert sorted(events) == sorted(rows), f"after {point}, seed {SEED}"


def settle() -> None:
    """Sequence what was left, as the sweeper of any other process does."""
    list(sequencer.sequence(sequencer.waiting_orgs()))
    rows, events = rows_and_events()
    assert sequencer.waiting_orgs() == set()
    assert all(sequences(org) == [1] for org in rows)
    assert len(events) == len(rows) > 0


def test_a_row_and_its_event_survive_30_kills_together_or_not_at_all(mortal: Mortal) -> None:
    kill(mortal, 30)
    settle()


@pytest.mark.long
def test_a_row_and_its_event_survive_200_kills_together_or_not_at_all(mortal: Mortal) -> None:
    kill(mortal, 200)
    settle()


@pytest.mark.parametrize(
    ("point", "rows", "waiting"),
    [
        ("before-the-event", 0, 0),
        ("before-the-commit", 0, 0),
        ("before-the-sequencing", 1, 1),
        ("inside-the-sequencing", 1, 1),
    ],
)
def test_what_a_killed_process_had_committed_is_taken_by_the_sweeper(
    mortal: Mortal, point: str, rows: int, waiting: int
) -> None:
    mortal.kill_one(point, 0)
    assert Entitlement.objects.count() == LogEntry.objects.count() == rows
    assert len(sequencer.waiting_orgs()) == waiting
    if rows:
        settle()
