from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from redline.monitoring.models import Entitlement
from redline.workspaces.models import Org
from streaming.management.commands import replay as command
from streaming.models import LogEntry
from streaming.outbox import emit
from tests.servers import manage
from tests.streaming.sync.conftest import House
from tests.streaming.sync.sample import commit, database_url, detected, entries, headlines, sequences

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def replay(house: House, *args: str) -> str:
    out = io.StringIO()
    call_command("replay", house.org.slug, "--speed", "0", *args, stdout=out)
    return out.getvalue()


def sandbox() -> str:
    return Org.objects.get(slug="acme-sandbox").pk


def test_replaying_from_another_process_copies_into_the_sandbox(house: House) -> None:
    commit(house.org.pk, range(3), keys=["k"])
    done = manage("replay", "acme", "--speed", "0", database_url=database_url())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"3 events copied to {sandbox()}; look at them with: manage.py tail {sandbox()}\n"
    originals, copies = entries(house.org.pk), entries(sandbox())
    assert [copy.replay_of for copy in copies] == [str(entry.cursor) for entry in originals]
    assert [(copy.type, copy.data, copy.keys) for copy in copies] == [
        (entry.type, entry.data, entry.keys) for entry in originals
    ]
    first = len(house.users) + 1  # behind what the new sandbox's log says of its members' rights
    assert sequences(sandbox()) == [first, first + 1, first + 2]
    assert {copy.fingerprint for copy in copies}.isdisjoint(entry.fingerprint for entry in originals)


def test_a_log_of_several_batches_is_copied_in_order(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "AT_ONCE", 4)
    commit(house.org.pk, range(19))
    replay(house)
    assert headlines(sandbox()) == [str(n) for n in range(19)]


def test_only_what_stands_in_the_log_when_it_begins_is_copied(house: House) -> None:
    commit(house.org.pk, range(3))
    replay(house, "--to", house.org.slug)
    assert headlines(house.org.pk) == ["0", "1", "2"] * 2


def test_a_dry_run_says_what_it_would_do_and_does_nothing(house: House) -> None:
    commit(house.org.pk, range(3))
    Entitlement.objects.create(org=house.org)
    said = replay(house, "--dry-run")
    assert (
        said == "4 events would be copied, from 1 to 4.\n       3 change.detected\n       1 org.entitlements.changed\n"
    )
    assert Org.objects.count() == 1
    assert replay(house, "--dry-run", "--types", "run.stage") == "0 events would be copied.\n"
    assert LogEntry.objects.count() == 4


def test_a_stretch_is_chosen_by_cursor_and_type(house: House) -> None:
    commit(house.org.pk, range(3))
    Entitlement.objects.create(org=house.org)
    second = entries(house.org.pk)[1].cursor
    assert replay(house, "--after", str(second), "--types", "change.detected, run.stage").startswith("1 events")
    assert headlines(sandbox()) == ["2"]


def test_a_stretch_is_chosen_by_time(house: House) -> None:
    now = timezone.now()
    for age in (30, 20, 10):
        with transaction.atomic():
            emit(detected(age), org=house.org.pk, emitted_at=now - timedelta(days=age))
    day = (now - timedelta(days=25)).date().isoformat()
    until = (now - timedelta(days=15)).replace(tzinfo=None).isoformat()
    assert replay(house, "--since", day, "--dry-run").startswith("2 events")
    assert replay(house, "--until", until, "--dry-run").startswith("2 events")
    replay(house, "--since", day, "--until", until + "Z")
    assert headlines(sandbox()) == ["20"]


def test_nothing_to_copy_is_no_error(house: House) -> None:
    assert replay(house).startswith("0 events copied to ")
    assert entries(sandbox()) == ()


def test_copies_keep_the_originals_pace(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    start = timezone.now() - timedelta(days=1)
    for seconds in (0, 0, 10, 30):
        with transaction.atomic():
            emit(detected(seconds), org=house.org.pk, emitted_at=start + timedelta(seconds=seconds))
    clock, copied = [0.0], []
    real = command.append_copies

    def copy(rows: Any, **where: Any) -> None:
        copied.append((clock[0], len(rows)))
        real(rows, **where)

    monkeypatch.setattr(command.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(command.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    monkeypatch.setattr(command, "append_copies", copy)
    call_command("replay", "acme", "--speed", "2", stdout=io.StringIO())
    assert copied == [(0.0, 2), (5.0, 1), (15.0, 1)]
