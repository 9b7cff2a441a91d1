from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from streaming.core.cursor import Cursor
from streaming.core.entry import Batch, Entry
from streaming.core.envelope import Told

AT = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def entry(sequence: int = 42) -> Entry:
    return Entry(
        epoch="7f3a",
        sequence=sequence,
        fingerprint="9c02e1aa",
        type="piece.moved",
        resource="k",
        keys=frozenset(),
        audience=frozenset(),
        data=b'{"pieceId":"k"}',
        emitted_at=AT,
    )


def test_a_frame_is_one_block_with_the_entrys_own_cursor() -> None:
    assert entry().frame() == b'id: 7f3a.42.9c02e1aa\nevent: piece.moved\ndata: {"pieceId":"k"}\n\n'
    assert entry().cursor == Cursor("7f3a", 42, "9c02e1aa")


def test_a_frame_is_encoded_once_and_shared() -> None:
    one = entry()
    assert one.frame() is one.frame()


def test_two_entries_share_no_frame() -> None:
    assert entry(1).frame() != entry(2).frame()


def test_an_entry_cannot_be_changed_and_is_no_copy_of_anybody() -> None:
    one = entry()
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.sequence = 1  # type: ignore[misc]
    assert one != entry(), "identity, so that comparing a thousand of them costs nothing"


def test_a_batch_reaches_to_its_last_entry() -> None:
    assert Batch(org="a", epoch="7f3a", after="00000000", entries=(entry(1), entry(2))).head == 2


def wrapped(told: Told) -> bytes:
    kind = b"snapshot" if told.is_snapshot else b"event"
    return b'{"kind":"%s","n":%d,"payload":%s}' % (kind, told.sequence, told.data)


def test_each_feed_has_its_envelope_and_its_bytes_are_shared_too() -> None:
    one = entry()
    assert one.frame(wrapped).endswith(b'data: {"kind":"event","n":42,"payload":{"pieceId":"k"}}\n\n')
    assert b'"kind":"snapshot"' in one.frame(wrapped, is_snapshot=True)
    assert one.frame(wrapped) is one.frame(wrapped)
    assert one.frame().endswith(b'data: {"pieceId":"k"}\n\n')
    assert one.wrapped(wrapped, payload=b"7") == b'{"kind":"event","n":42,"payload":7}'
    assert one.wrapped(None, payload=b"7") == b"7"
