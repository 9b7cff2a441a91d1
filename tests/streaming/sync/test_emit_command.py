from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from streaming import log, sequencer
from streaming.core.cursor import Cursor
from streaming.management.commands import emit as command
from streaming.models import LogEntry
from tests.processes import wait_until
from tests.servers import manage
from tests.streaming.sync.conftest import House
from tests.streaming.sync.sample import database_url, entries, sequences

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

PAYLOAD = json.dumps({"changeReportId": "chg_1", "vendorId": "vnd_1", "severity": "P1", "headline": "é\u2028"})


def emit(house: House, *args: str, **options: Any) -> list[Cursor | None]:
    out = io.StringIO()
    call_command("emit", house.org.slug, "change.detected", PAYLOAD, *args, stdout=out, **options)
    return [Cursor.parse(line) for line in out.getvalue().splitlines()]


def test_emitting_from_another_process_prints_the_events_cursor(house: House) -> None:
    done = manage("emit", "acme", "change.detected", PAYLOAD, "--resource", "chg_1", database_url=database_url())
    assert (done.returncode, done.stderr) == (0, "")
    (entry,) = entries(house.org.pk)
    assert done.stdout == f"{entry.cursor}\n"
    assert json.loads(entry.data) == json.loads(PAYLOAD)
    assert entry.resource == "chg_1"


def test_many_events_are_printed_in_their_order(house: House) -> None:
    printed = emit(house, "--count", "250")
    assert printed == [entry.cursor for entry in entries(house.org.pk)]
    assert len(printed) == 250


def test_a_rate_is_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(command.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(command.time, "sleep", sleep)
    assert len(emit(house, "--count", "5", "--rate", "4")) == 5
    assert sum(pauses) == pytest.approx(1.0)


def test_an_org_may_be_named_by_its_id(house: House) -> None:
    call_command("emit", house.org.pk, "change.detected", PAYLOAD, stdout=io.StringIO())
    assert sequences(house.org.pk) == [1]


def test_whoever_holds_the_lock_may_sequence_them(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real, turns = sequencer.hand_over, []

    def busy(orgs: Any) -> None:
        turns.append(set(orgs))
        if len(turns) > 2:
            real(orgs)

    monkeypatch.setattr(sequencer, "hand_over", busy)
    assert [str(one) for one in emit(house)] == [str(log.head(house.org.pk).cursor)]
    assert len(turns) == 3


def test_events_that_stay_unsequenced_are_an_error_and_not_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "hand_over", lambda orgs: None)
    monkeypatch.setattr(command, "SEQUENCED_WITHIN", 0.0)
    with pytest.raises(CommandError, match="committed but not sequenced yet"):
        emit(house)
    assert LogEntry.objects.count() == 1


@pytest.mark.sqlite
def test_a_database_that_refuses_is_one_line(house: House) -> None:
    done = manage("emit", "acme", "change.detected", PAYLOAD, database_url="sqlite:////nowhere/at/all.sqlite3")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("the database refused: ")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_has_seen_enough_ends_it_quietly(house: House) -> None:
    import subprocess

    from tests.environment import PYTHON, ROOT, for_child

    argv = [PYTHON, "manage.py", "emit", "acme", "change.detected", PAYLOAD, "--count", "3000"]
    with subprocess.Popen(
        argv,
        cwd=ROOT,
        env=for_child({"DATABASE_URL": database_url()}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        wait_until(lambda: process.poll() is not None, within=30, what="its end")
        assert (process.returncode, process.stderr.read()) == (0, b"")
