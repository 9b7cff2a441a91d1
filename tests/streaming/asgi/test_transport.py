from __future__ import annotations

import asyncio
import functools
import socket
from pathlib import Path
from typing import Any

import pytest

from streaming.asgi.transport import VANISHED_MS, abort, end_vanished, taken
from tests.streaming.asgi.world import eventually


class Transport:
    def __init__(self) -> None:
        self.cut: list[Any] = []

    def abort(self, *what: Any) -> None:
        self.cut.append(what)


class Cycle:
    def __init__(self, transport: Any) -> None:
        self.transport = transport

    async def send(self, message: Any) -> None: ...


class Server(Transport):
    async def handle_reply(self, protocol: Any, message: Any) -> None: ...


def test_uvicorn_is_reached_through_the_exchange_that_knows_its_transport() -> None:
    transport = Transport()
    assert abort(Cycle(transport).send)
    assert transport.cut == [()]


def test_daphne_is_reached_through_its_server_with_the_protocol() -> None:
    server = Server()
    assert abort(functools.partial(server.handle_reply, "protocol"))
    assert server.cut == [("protocol",)]


def test_a_server_that_offers_no_way_is_left_alone() -> None:
    async def send(message: Any) -> None: ...

    assert not abort(send)
    assert not abort(functools.partial(send, "protocol"))
    assert not abort(Cycle(None).send)


# -- whether the other side takes anything -----------------------------------------------------------------------------


async def over_tcp(tmp_path: Path, handler: Any) -> tuple[asyncio.Server, Any]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    return server, asyncio.open_connection(*server.sockets[0].getsockname())


async def over_a_unix_socket(tmp_path: Path, handler: Any) -> tuple[asyncio.Server, Any]:
    path = tmp_path / "socket"
    return await asyncio.start_unix_server(handler, path), asyncio.open_unix_connection(path)


@pytest.mark.parametrize("over", [over_tcp, over_a_unix_socket])
async def test_it_is_seen_whether_a_client_takes_bytes_behind_a_full_socket(tmp_path: Path, over: Any) -> None:
    accepted: list[asyncio.StreamWriter] = []
    server, connecting = await over(tmp_path, lambda reader, writer: accepted.append(writer))
    reader, writer = await connecting
    await eventually(lambda: accepted)
    send = Cycle(accepted[0].transport).send
    accepted[0].write(bytes(20_000_000))
    before = await resting(send)
    assert before is not None
    await reader.readexactly(10_000_000)  # megabytes stand in the sockets of both sides
    assert await resting(send) != before
    writer.transport.abort()
    accepted[0].transport.abort()
    server.close()


async def resting(send: Any) -> int | None:
    """Return the number once it has stayed the same for a while."""
    seen = [object()] * 20
    while any(one != seen[0] for one in seen):
        await asyncio.sleep(0.01)
        seen = [*seen[1:], taken(send)]  # type: ignore[list-item]
    return taken(send)


async def test_of_a_server_that_shows_no_socket_nothing_is_known() -> None:
    async def send(message: Any) -> None: ...

    assert taken(send) is None
    assert taken(Cycle(None).send) is None
    assert taken(Cycle(Transport()).send) is None
    assert taken(functools.partial(send, "protocol")) is None


async def test_of_a_connection_that_is_closed_nothing_is_known() -> None:
    class Closed:
        def get_extra_info(self, name: str) -> socket.socket:
            one = socket.socket()
            one.close()
            return one

    assert taken(Cycle(Closed()).send) is None


# -- peers that vanish -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has it")
def test_connections_inherit_the_time_after_which_a_vanished_peer_is_given_up() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        end_vanished(listening)
        listening.listen()
        with socket.create_connection(listening.getsockname()):
            accepted, _ = listening.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == VANISHED_MS
    assert VANISHED_MS / 1000 + 15 < 35, "a heartbeat is sent within 15 s"


def test_a_unix_socket_has_no_peers_that_vanish() -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        end_vanished(listening)
