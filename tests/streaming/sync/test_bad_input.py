"""What cannot be used is one line on stderr, exit 2 (1 where it is well-formed and names nothing), and no row."""

from __future__ import annotations

import io
import random
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError

from streaming import log
from streaming.management.command import BadInput
from streaming.models import Head, LogEntry
from tests.servers import manage
from tests.streaming.sync.conftest import House
from tests.streaming.sync.sample import commit, database_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

GOOD = '{"changeReportId":"c","vendorId":"v","severity":"P1","headline":"h"}'
TICK = '{{"vendorId":"v","runId":"r","startedAt":"{}"}}'
CURSOR = "7f3a.1.9c02e1aa"
SEED = 40_040

BAD: list[tuple[int, list[str]]] = [
    (2, ["emit", "acme", "change.detected", ""]),
    (2, ["emit", "acme", "change.detected", "{"]),
    (2, ["emit", "acme", "change.detected", "[]"]),
    (2, ["emit", "acme", "change.detected", "null"]),
    (2, ["emit", "acme", "change.detected", "{}"]),
    (2, ["emit", "acme", "change.detected", GOOD.replace("P1", "P9")]),
    (2, ["emit", "acme", "change.detected", GOOD.replace('"h"', "5")]),
    (2, ["emit", "acme", "change.detected", GOOD.replace('"h"', '"h","more":1')]),
    (2, ["emit", "acme", "change.detected", GOOD.replace('"h"', '"\\ud800"')]),
    (2, ["emit", "acme", "change.detected", GOOD.replace('"h"', '"a\nb"')]),
    (2, ["emit", "acme", "scheduler.tick", TICK.format("yesterday")]),
    (2, ["emit", "acme", "scheduler.tick", TICK.format("2026-01-01T00:00:00")]),
    (2, ["emit", "acme", "scheduler.tick", TICK.format("0001-01-01T00:00:00+14:00")]),
    (2, ["emit", "acme", "scheduler.tick", TICK.format("9999-12-31T23:59:59-14:00")]),
    (2, ["emit", "acme", "no.such.event", "{}"]),
    (2, ["emit", "acme", "stream.open", "{}"]),
    (2, ["emit", "acme", "heartbeat", "{}"]),
    (2, ["emit", "acme", "change.detected\n", GOOD]),
    (2, ["emit", "acme", "", GOOD]),
    (1, ["emit", "nobody", "change.detected", GOOD]),
    (1, ["emit", "", "change.detected", GOOD]),
    (1, ["emit", "ac\nme", "change.detected", GOOD]),
    (2, ["emit", "acme", "change.detected", GOOD, "--count", "0"]),
    (2, ["emit", "acme", "change.detected", GOOD, "--count", "-5"]),
    (2, ["emit", "acme", "change.detected", GOOD, "--count", "9" * 30]),
    (2, ["emit", "acme", "change.detected", GOOD, "--count", "many"]),
    (2, ["emit", "acme", "change.detected", GOOD, "--rate", "0"]),
    (2, ["emit", "acme", "change.detected", GOOD, "--rate", "-1"]),
    (2, ["emit", "acme", "change.detected", GOOD, "--rate", "nan"]),
    (2, ["emit", "acme", "change.detected", GOOD, "--rate", "inf"]),
    (2, ["emit", "acme", "change.detected", GOOD, "--resource", "a b"]),
    (2, ["emit", "acme", "change.detected", GOOD, "--resource", "a" * 65]),
    (2, ["emit", "acme"]),
    (2, ["emit", "acme", "change.detected", GOOD, "--loud"]),
    (1, ["replay", "nobody"]),
    (2, ["replay", "acme", "--after", "41"]),
    (1, ["replay", "acme", "--after", CURSOR]),
    (2, ["replay", "acme", "--since", "yesterday"]),
    (2, ["replay", "acme", "--since", "2026-13-45"]),
    (2, ["replay", "acme", "--until", "2026-02-30T00:00:00Z"]),
    (2, ["replay", "acme", "--since", "0001-01-01T00:00:00+14:00"]),
    (2, ["replay", "acme", "--until", "9999-12-31T23:59:59-14:00"]),
    (2, ["replay", "acme", "--types", "change.detected,no.such"]),
    (2, ["replay", "acme", "--speed", "-1"]),
    (2, ["replay", "acme", "--speed", "nan"]),
    (2, ["replay", "acme", "--speed", "inf"]),
    (2, ["replay", "acme", "--speed", "fast"]),
    (1, ["replay", "acme", "--to", "nobody"]),
    (1, ["tail", "nobody"]),
    (2, ["tail", "acme", "--after", ""]),
    (2, ["tail", "acme", "--after", "x" * 500]),
    (1, ["tail", "acme", "--after", CURSOR]),
    (2, ["tail"]),
]


def written() -> list[Any]:
    return [
        *LogEntry.objects.order_by("id").values_list("org", "sequence"),
        *Head.objects.values_list("org", flat=True),
    ]


@pytest.fixture
def filled(house: House) -> list[Any]:
    commit(house.org.pk, range(3))
    return written()


@pytest.mark.parametrize(("code", "argv"), BAD, ids=lambda one: " ".join(one)[:60] if isinstance(one, list) else None)
def test_bad_input_is_one_sentence_and_writes_nothing(filled: list[Any], code: int, argv: list[str]) -> None:
    with pytest.raises(CommandError) as caught:
        call_command(*argv, stdout=io.StringIO(), stderr=io.StringIO())
    assert not isinstance(caught.value, SystemCheckError)
    usage = str(caught.value).startswith("Error: ")
    assert (2 if usage else caught.value.returncode) == code
    assert isinstance(caught.value, BadInput) or usage or code == 1
    assert len(str(caught.value)) > 10
    assert written() == filled


def test_bad_input_from_a_shell_is_one_line_without_a_traceback(filled: list[Any]) -> None:
    chosen = random.Random(SEED).sample(BAD, 3) + [case for case in BAD if case[1][-1] in ("--loud", "ac\nme")]
    for code, argv in chosen:
        done = manage(*argv, database_url=database_url())
        assert (done.returncode, done.stdout) == (code, ""), f"{argv}, seed {SEED}"
        assert done.stderr.count("\n") == 1, argv
        assert done.stderr.endswith("\n")
        assert "Traceback" not in done.stderr
    assert written() == filled


def test_random_cursors_are_refused_and_never_an_exception(filled: list[Any], house: House) -> None:
    rng = random.Random(SEED)
    head = log.head(house.org.pk)
    for _ in range(200):
        text = f"{rng.choice([head.epoch, 'beef'])}.{rng.choice([0, 1, 2, 3, 4, 10**17])}.{rng.getrandbits(32):08x}"
        place = rng.randrange(len(text))
        text = text[:place] + rng.choice(["", "x", ".", "é", "\0"]) + text[place + 1 :]
        with pytest.raises(CommandError):
            call_command("replay", house.org.pk, f"--after={text}", stdout=io.StringIO())
    assert written() == filled
