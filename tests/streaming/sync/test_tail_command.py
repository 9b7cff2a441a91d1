from __future__ import annotations

import io
import json
import signal
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command

from streaming import recheck
from streaming.management.commands import tail as command
from streaming.models import Head, LogEntry
from tests.servers import command as start
from tests.streaming.sync.conftest import House
from tests.streaming.sync.sample import commit, database_url, entries

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def tail(house: House, monkeypatch: pytest.MonkeyPatch, meanwhile: list[Callable[[], object]], *args: str) -> list[str]:
    """Follow the log; do one thing in each pause, then press Ctrl-C."""
    out = io.StringIO()
    acts = iter(meanwhile)

    def pause(_: float) -> None:
        act = next(acts, None)
        if act is None:
            raise KeyboardInterrupt
        act()

    monkeypatch.setattr(command.time, "sleep", pause)
    call_command("tail", house.org.slug, *args, stdout=out, stderr=out)
    return out.getvalue().splitlines()


def test_another_processs_commits_are_shown_as_they_come(house: House) -> None:
    commit(house.org.pk, ["before"])
    process = start(
        "tail", "acme", "--json", "--after", str(entries(house.org.pk)[0].cursor), database_url=database_url()
    )
    try:
        commit(house.org.pk, ["live 1"])
        process.wait_for_output("live 1", within=30)
        commit(house.org.pk, ["live 2"])
        process.wait_for_output("live 2")
        process.signal(signal.SIGINT)
        process.process.wait(10)
        lines = [json.loads(line) for line in process.log().splitlines()]
        assert [(line["id"], line["sequence"], line["event"]) for line in lines] == [
            (str(entry.cursor), entry.sequence, entry.type) for entry in entries(house.org.pk)[1:]
        ]
        assert process.process.returncode == 0
    finally:
        process.kill()


def test_what_the_log_says_of_rights_is_not_shown(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = tail(house, monkeypatch, [lambda: recheck(house.org.pk), lambda: commit(house.org.pk, ["seen"])])
    assert ["seen" in line for line in lines] == [True]


def test_it_begins_at_the_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(house.org.pk, ["before"])
    lines = tail(house, monkeypatch, [lambda: commit(house.org.pk, ["live"])])
    assert len(lines) == 1
    assert "       2  change.detected             {" in lines[0]
    assert "live" in lines[0]


def test_it_begins_behind_a_cursor(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(house.org.pk, range(450))
    first = entries(house.org.pk)[0].cursor
    lines = tail(house, monkeypatch, [], "--after", str(first), "--json")
    assert [json.loads(line)["sequence"] for line in lines] == list(range(2, 451))


def test_a_log_that_was_replaced_is_said_and_followed_from_its_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    org = house.org.pk

    def restore(**values: Any) -> None:
        LogEntry.objects.filter(org=org, sequence__gt=1).delete()
        LogEntry.objects.filter(org=org).update(uid=uuid.uuid4())
        Head.objects.filter(org=org).update(sequence=1, **values)

    commit(org, range(3))
    lines = tail(
        house,
        monkeypatch,
        [restore, lambda: commit(org, ["after"]), lambda: restore(epoch="beef"), lambda: commit(org, ["last"])],
        "--json",
    )
    assert [line for line in lines if not line.startswith("{")] == ["The log was replaced; going on at its end."] * 2
    told = [json.loads(line)["data"]["headline"] for line in lines if line.startswith("{")]
    assert told == ["after", "last"]
