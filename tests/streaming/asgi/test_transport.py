from __future__ import annotations

import functools
from typing import Any

from streaming.asgi.transport import abort


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
