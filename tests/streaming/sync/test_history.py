from __future__ import annotations

import pytest

from tests.streaming.sync.history import History, Read, Written, check

DONE = [Written(key=f"k{n}", org="a", row="r", turn=n) for n in (1, 2, 3)]
HISTORY = History(committed=DONE, aborted=[Written(key="x", org="a")])


def reads(*places: tuple[str, int]) -> list[Read]:
    return [Read(key=key, sequence=sequence) for key, sequence in places]


def test_a_true_reading_has_no_anomaly() -> None:
    seen = {"a": reads(("k1", 1), ("k2", 2), ("k3", 3))}
    assert not check(HISTORY, seen, before=[seen])


@pytest.mark.parametrize(
    ("word", "seen"),
    [
        ("lost", {"a": reads(("k1", 1), ("k2", 2))}),
        ("aborted-read", {"a": reads(("k1", 1), ("k2", 2), ("k3", 3), ("x", 4))}),
        ("duplicate", {"a": reads(("k1", 1), ("k2", 2), ("k3", 3), ("k3", 4))}),
        ("skip", {"a": reads(("k1", 1), ("k2", 2), ("k3", 4))}),
        ("nonmonotonic", {"a": reads(("k1", 1), ("k2", 2), ("k3", 2))}),
        ("cross-org", {"a": reads(("k1", 1), ("k2", 2)), "b": reads(("k3", 1))}),
        ("misordered", {"a": reads(("k2", 1), ("k1", 2), ("k3", 3))}),
        ("inconsistent-seq", {"a": reads(("k1", 1), ("k3", 2), ("k2", 3))}),
    ],
)
def test_each_anomaly_is_called_by_its_name(word: str, seen: dict[str, list[Read]]) -> None:
    true = {"a": reads(("k1", 1), ("k2", 2), ("k3", 3))}
    assert check(HISTORY, seen, before=[true])[word]
