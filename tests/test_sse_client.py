from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.sse_client import SSE, StreamEnded

Writer = asyncio.StreamWriter
Answer = Callable[[Writer], Awaitable[None]]

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n"
    b"Vary: Origin\r\nVary: Cookie\r\n\r\n"
)


@asynccontextmanager
async def server(answer: Answer, requests: list[bytes] | None = None) -> AsyncIterator[str]:
    async def connected(reader: asyncio.StreamReader, writer: Writer) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if requests is not None:
            requests.append(request)
        await answer(writer)
        writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1/stream?types=a,b"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def says(*pieces: bytes) -> Answer:
    async def answer(writer: Writer) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return answer


async def test_it_shows_status_headers_and_every_block() -> None:
    requests: list[bytes] = []
    sent = b'retry: 2417\nevent: stream.open\ndata: {"cursor":null}\n\n: heartbeat\n\nid: 1\nevent: a\ndata: x\n\n'
    async with (
        server(says(HEAD, chunk(sent), b"0\r\n\r\n"), requests) as url,
        SSE.open(url, headers={"Authorization": "Bearer t"}) as stream,
    ):
        blocks = await stream.rest()
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["vary"] == "Origin, Cookie"
        assert [(block.event, block.data, block.comment) for block in blocks] == [
            ("stream.open", '{"cursor":null}', None),
            (None, None, "heartbeat"),
            ("a", "x", None),
        ]
        assert (blocks[0].retry, stream.last_event_id, stream.clean) == (2417, "1", True)
    assert requests[0].startswith(b"GET /v1/stream?types=a,b HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nAuthorization: Bearer t\r\n" in requests[0]


async def test_one_byte_a_packet_and_one_byte_a_chunk_are_the_same_stream() -> None:
    body = "id: 1\ndata: naïve €\n\n: c\n\nid: 2\ndata: b\r\n\r\n".encode()
    framed = b"".join(chunk(body[at : at + 1]) for at in range(len(body)))
    every_byte = [bytes([byte]) for byte in HEAD + framed + b"0\r\n\r\n"]

    async def answer(writer: Writer) -> None:
        for byte in every_byte:
            writer.write(byte)
            await writer.drain()
            await asyncio.sleep(0)  # lets the client read between two bytes

    async with server(answer) as url, SSE.open(url) as stream:
        assert [block.data for block in await stream.rest()] == ["naïve €", None, "b"]
        assert stream.clean


async def test_next_passes_over_other_events_and_says_what_came_instead() -> None:
    sent = chunk(b"event: a\ndata: 1\n\n: c\n\nevent: b\ndata: 2\n\nevent: a\ndata: 3\n\n")
    async with server(says(HEAD, sent, b"0\r\n\r\n")) as url, SSE.open(url) as stream:
        assert (await stream.next(event="b")).data == "2"
        assert [block.data for block in stream.blocks] == ["1", None, "2"]
        with pytest.raises(StreamEnded, match=r"ended before c; came: \['a'\]"):
            await stream.next(event="c")


async def test_a_wait_that_timed_out_has_lost_nothing() -> None:
    go_on = asyncio.Event()

    async def answer(writer: Writer) -> None:
        writer.write(HEAD + chunk(b"event: a\ndata: 1\n\neve") + b"14\r\n")
        await go_on.wait()
        writer.write(b"nt: b\ndata: 2\n\n: c\n\n\r\n0\r\n\r\n")

    async with server(answer) as url, SSE.open(url) as stream:
        with pytest.raises(TimeoutError, match=r"No b within 0.05 s; came: \['a'\]"):
            await stream.next(event="b", timeout=0.05)
        go_on.set()
        assert (await stream.next(event="b")).data == "2"
        assert stream.pending == b""


async def test_a_stream_that_was_cut_is_not_clean_and_its_last_block_is_no_block() -> None:
    async with server(says(HEAD, chunk(b"data: 1\n\ndata: lo"))) as url, SSE.open(url) as stream:
        assert [block.data for block in await stream.rest()] == ["1"]
        assert not stream.clean
        assert stream.pending == b"data: lo"


@pytest.mark.parametrize("reset", [False, True])
async def test_a_cut_is_seen_by_the_server_at_once(reset: bool) -> None:
    gone: asyncio.Future[type[BaseException] | None] = asyncio.get_running_loop().create_future()

    async def connected(reader: asyncio.StreamReader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + chunk(b"data: 1\n\n"))
        try:
            assert await reader.read(1) == b""
            gone.set_result(None)
        except ConnectionResetError as error:
            gone.set_result(type(error))
        finally:
            writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    async with listening, SSE.open(url) as stream:
        assert (await stream.next()).data == "1"
        stream.cut(reset=reset)
        assert await asyncio.wait_for(gone, 2) is (ConnectionResetError if reset else None)


async def test_a_refusal_is_read_as_a_body() -> None:
    refusal = b'HTTP/1.1 401 Unauthorized\r\nContent-Length: 29\r\n\r\n{"error":{"code":"forbidden"}}'
    async with server(says(refusal)) as url, SSE.open(url) as stream:
        assert stream.status == 401
        assert await stream.body() == b'{"error":{"code":"forbidden"}'


async def test_an_answer_to_head_has_no_body() -> None:
    async with server(says(HEAD)) as url, SSE.open(url, method="HEAD") as stream:
        assert (stream.status, await stream.body()) == (200, b"")


async def test_blocks_carry_the_time_of_their_arrival() -> None:
    go_on = asyncio.Event()

    async def answer(writer: Writer) -> None:
        writer.write(HEAD + chunk(b": 1\n\n"))
        await go_on.wait()
        writer.write(chunk(b": 2\n\n"))

    async with server(answer) as url, SSE.open(url) as stream:
        first = await stream.next()
        between = asyncio.get_running_loop().time()
        go_on.set()
        assert first.at <= between <= (await stream.next()).at
