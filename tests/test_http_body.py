from __future__ import annotations

import pytest

from tests.http_body import Body

CHUNKED = b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Trailer: t\r\n\r\n"


def fed(headers: dict[str, str], data: bytes, step: int) -> tuple[bytes, bool]:
    body = Body(headers)
    out = b"".join(body.feed(data[at : at + step]) for at in range(0, len(data), step))
    return out, body.complete


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_chunks_are_joined_in_pieces_of_any_size(step: int) -> None:
    assert fed({"transfer-encoding": "chunked"}, CHUNKED, step) == (b"hello world", True)


@pytest.mark.parametrize("cut", range(1, len(CHUNKED)))
def test_a_chunked_body_that_was_cut_anywhere_is_not_complete(cut: int) -> None:
    body = Body({"transfer-encoding": "chunked"})
    assert b"hello world".startswith(body.feed(CHUNKED[:cut]))
    assert body.feed(b"") == b""
    assert not body.complete


def test_a_part_of_a_chunk_is_there_before_its_end() -> None:
    assert Body({"transfer-encoding": "chunked"}).feed(b"ff\r\n: hea") == b": hea"


def test_a_body_of_known_length_ends_with_it() -> None:
    assert fed({"content-length": "3"}, b"abcd", 2) == (b"abc", True)
    assert fed({"content-length": "5"}, b"abcd", 2) == (b"abcd", False)
    assert Body({"content-length": "0"}).complete


def test_a_body_of_unknown_length_ends_with_the_connection() -> None:
    body = Body({})
    assert body.feed(b"abc") == b"abc"
    assert not body.complete
    body.feed(b"")
    assert body.complete
