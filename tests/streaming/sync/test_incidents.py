from __future__ import annotations

import logging
import threading

import pytest

from streaming import incidents
from streaming.incidents import Incident

ONE, OTHER = Incident.FORGED_MESSAGE, Incident.DAMAGED_ENTRY


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(incidents.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(incidents, "_logged_at", {})
    return now


def test_each_kind_is_counted_always_and_logged_once_a_minute(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    before = incidents.counted(ONE)
    for _ in range(1000):
        incidents.note(ONE, "a lie")
    incidents.note(OTHER, "a scratch")
    clock[0] += 59
    incidents.note(ONE, "a lie")
    assert incidents.counted(ONE) == before + 1001
    clock[0] += 1
    incidents.note(ONE, "a lie")
    assert [record.getMessage() for record in caplog.records] == [
        f"a lie (forged-message: {before + 1} so far)",
        f"a scratch (damaged-entry: {incidents.counted(OTHER)} so far)",
        f"a lie (forged-message: {before + 1002} so far)",
    ]


def test_threads_that_count_at_once_lose_none() -> None:
    before = incidents.counted(ONE)
    threads = [threading.Thread(target=lambda: [incidents.count(ONE) for _ in range(2_000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert incidents.counted(ONE) == before + 16_000
