from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sse_parser import Block, SSEParser


def parse(data: bytes, *, step: int | None = None) -> list[Block]:
    parser = SSEParser()
    step = step or max(len(data), 1)
    return [block for at in range(0, len(data), step) for block in parser.feed(data[at : at + step])]


def fields(block: Block) -> tuple[object, ...]:
    return (block.id, block.event, block.data, block.retry, block.comment)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b"data: a\n\n", (None, None, "a", None, None)),
        (b"data:a\n\n", (None, None, "a", None, None)),
        (b"data:  a\n\n", (None, None, " a", None, None)),
        (b"data\n\n", (None, None, "", None, None)),
        (b"data: a\ndata:\ndata: b\n\n", (None, None, "a\n\nb", None, None)),
        (b"data: a:b: c\n\n", (None, None, "a:b: c", None, None)),
        (b": heartbeat\n\n", (None, None, None, None, "heartbeat")),
        (b": one\n:two\n\n", (None, None, None, None, "one\ntwo")),
        (b"id: 7\n\n", ("7", None, None, None, None)),
        (b"id\n\n", ("", None, None, None, None)),
        (b"id: 1\nid: 2\nevent: a\nevent: b\ndata: x\n\n", ("2", "b", "x", None, None)),
        (b"retry: 2417\n\n", (None, None, None, 2417, None)),
        (b"retry: 2417 \n\n", (None, None, None, None, None)),
        (b"retry: -1\nretry: 1e3\n\n", (None, None, None, None, None)),
        ("retry: ١٢\n\n".encode(), (None, None, None, None, None)),
        (b"Data: a\nunknown: b\n\n", (None, None, None, None, None)),
        ("data: naïve €\n\n".encode(), (None, None, "naïve €", None, None)),
        (b"data: \xff\xfe\n\n", (None, None, "\ufffd\ufffd", None, None)),
        ("data: a\u2028b\x0bc\x85d\n\n".encode(), (None, None, "a\u2028b\x0bc\x85d", None, None)),
    ],
)
def test_a_block_is_read_by_the_rules(written: bytes, expected: tuple[object, ...]) -> None:
    (block,) = parse(written)
    assert fields(block) == expected


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("step", [None, 1, 2, 3])
def test_each_of_the_three_line_ends_is_one_in_pieces_of_any_size(end: bytes, step: int | None) -> None:
    written = end.join([b"id: 1", b"event: e", b"data: a", b"", b": c", b"", b"data: b", b"", b""])
    assert [fields(block) for block in parse(written, step=step)] == [
        ("1", "e", "a", None, None),
        (None, None, None, None, "c"),
        (None, None, "b", None, None),
    ]


def test_a_block_is_there_with_its_last_carriage_return() -> None:
    assert len(parse(b"data: a\r\r")) == 1


def test_an_id_with_nul_is_ignored() -> None:
    blocks = parse(b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n")
    assert [block.id for block in blocks] == ["1", None]
    assert blocks[1].last_event_id == "1"


def test_the_last_event_id_is_remembered_moved_without_data_and_emptied_by_an_empty_id() -> None:
    blocks = parse(b"id: 1\ndata: a\n\ndata: b\n\nid: 3\n\n: c\n\nid:\ndata: d\n\n")
    assert [block.last_event_id for block in blocks] == ["1", "1", "3", "3", ""]


def test_only_a_block_with_data_would_be_dispatched() -> None:
    blocks = parse(b"data: a\n\nevent: e\n\n: c\n\ndata:\n\n")
    assert [block.dispatched for block in blocks] == [True, False, False, True]


def test_one_byte_order_mark_is_passed_over_and_only_at_the_beginning() -> None:
    blocks = parse(b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", step=1)
    assert [block.data for block in blocks] == ["a", None]


def test_what_no_blank_line_ended_is_not_a_block() -> None:
    parser = SSEParser()
    assert parser.feed(b"data: a\n\ndata: lost\n") != []
    assert parser.pending == b"data: lost\n"


stream_bytes = st.lists(
    st.sampled_from(
        [b"data: x", b"data", b"id: 5", b"id:\0", b"event: e", b": c", b"retry: 9", b"\xff", b"\xef\xbb\xbf"]
    )
    | st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n"])
    | st.binary(max_size=3),
    max_size=30,
).map(b"".join)


@given(data=stream_bytes, cuts=st.lists(st.integers(0, 120), max_size=8))
def test_cutting_the_stream_anywhere_changes_no_block_and_loses_no_byte(data: bytes, cuts: list[int]) -> None:
    parser = SSEParser()
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    blocks = [block for a, b in itertools.pairwise(edges) for block in parser.feed(data[a:b])]
    assert blocks == parse(data)
    assert b"".join(block.raw for block in blocks) + parser.pending == data
