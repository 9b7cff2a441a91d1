from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core import sse
from streaming.core.event import Event
from tests.sse_parser import Block, SSEParser

SEED = 926_001
BREAKS = ["\r", "\n", "\r\n", "\0"]
NASTY = ["\r", "\n", "\r\n", "\n\n", "\0", "\u2028", "\u2029", "\x85", "\ufeff", "\nid: 1", "\ndata: x", "\n\nevent: e"]
NASTY += ["\x0b", "\x0c", "\x1c", ":", ": ", '"', "\\", "\\n", "\ud83d\ude00", "😀", "é", "\uffff", "\U0010ffff"]


class Said(Event, type="said"):
    text: str


def parsed(chunk: bytes) -> list[Block]:
    parser = SSEParser()
    blocks = parser.feed(chunk)
    assert parser.pending == b"", "a block always ends with its own blank line"
    return blocks


def test_a_block_has_one_line_of_each_in_their_order() -> None:
    assert sse.block(retry=2417, id="a.1.b", event="e", data=b"{}") == b"retry: 2417\nid: a.1.b\nevent: e\ndata: {}\n\n"


def test_a_block_holds_only_what_was_given() -> None:
    assert sse.block(data=b"{}") == b"data: {}\n\n"
    assert sse.block(retry=0) == b"retry: 0\n\n"
    assert sse.block(id="") == b"id: \n\n", "an empty id is what forgets the last one"


@pytest.mark.parametrize("text", BREAKS)
def test_a_break_in_an_id_or_a_name_is_refused(text: str) -> None:
    for refused in (
        lambda: sse.block(id=f"a{text}b"),
        lambda: sse.block(event=f"a{text}"),
        lambda: sse.comment(f"{text}a"),
        lambda: sse.comment("a", id=f"a{text}"),
    ):
        with pytest.raises(ValueError, match="cannot hold"):
            refused()


@pytest.mark.parametrize("data", [b"a\nb", b"a\rb", b"\n", b"\r\n"])
def test_data_of_several_lines_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="single line"):
        sse.block(data=data)


def test_a_control_block_is_canonical_json() -> None:
    assert sse.control("stream.reset", {"reason": "epoch"}, id="x", retry=5) == (
        b'retry: 5\nid: x\nevent: stream.reset\ndata: {"reason":"epoch"}\n\n'
    )


def test_a_comment_dispatches_nothing_and_moves_the_cursor_only_when_told_to() -> None:
    plain, moving = parsed(sse.comment("heartbeat") + sse.comment("heartbeat", id="a.1.b"))
    assert (plain.comment, plain.dispatched, plain.id) == ("heartbeat", False, None)
    assert (moving.comment, moving.dispatched, moving.id) == ("heartbeat", False, "a.1.b")


def test_the_overhead_holds_for_a_cursor_of_the_largest_size() -> None:
    event = "a" * 60
    assert sse.overhead(event) == len(sse.block(id="i" * 64, event=event, data=b""))


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")),
    st.integers(0, 10**9),
)
def test_an_id_a_name_and_a_retry_come_out_as_they_went_in(id: str, event: str, retry: int) -> None:
    (block,) = parsed(sse.block(id=id, event=event, data=b"{}", retry=retry))
    assert (block.id, block.event, block.data, block.retry) == (id, event, "{}", retry)


def test_100_000_texts_come_out_as_they_went_in_and_inject_nothing() -> None:
    rng = random.Random(SEED)
    alphabet = [text for text in NASTY if not any(0xD800 <= ord(one) < 0xE000 for one in text)]
    parser = SSEParser()
    for number in range(100_000):
        parts = (rng.choice(alphabet) if rng.random() < 0.6 else _character(rng) for _ in range(rng.randrange(7)))
        text = "".join(parts)
        (block,) = parser.feed(sse.block(id=str(number), event="said", data=Said(text=text).payload()))
        assert (block.id, block.event, block.retry, block.comment) == (str(number), "said", None, None), f"seed {SEED}"
        assert block.raw.count(b"\n") == 4
        assert Said.read(block.data or "").text == text, f"seed {SEED}, number {number}"
    assert parser.pending == b""


def test_half_a_character_never_reaches_the_wire() -> None:
    rng = random.Random(SEED)
    for _ in range(1_000):
        text = _character(rng) + chr(rng.randrange(0xD800, 0xE000)) + _character(rng)
        with pytest.raises(ValueError, match="surrogates"):
            Said(text=text).payload()
        with pytest.raises(ValueError, match="surrogates"):
            sse.block(event=text.replace("\r", "").replace("\n", "").replace("\0", ""))


def _character(rng: random.Random) -> str:
    point = rng.randrange(0x110000 - 0x800)
    return chr(point if point < 0xD800 else point + 0x800)
