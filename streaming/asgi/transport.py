"""The one place that reaches behind ASGI: cutting a connection, seeing whether its client takes anything or is gone.

ASGI has no word for "drop it now": a server that is told nothing more keeps the socket and its buffer until the client
reads, which may be never. Nor does it say whether a write that waits is moving: behind a full socket megabytes may
stand, and the client be reading them slowly. uvicorn and our Daphne server let themselves be reached from the `send`
that they gave us; where a server does not, the connection ends when its app returns, and nobody can tell.
"""

from __future__ import annotations

import functools
import socket
import sys
from typing import Any

if sys.platform != "win32":
    import fcntl
    import termios

_BYTES_ACKED = slice(120, 128)
"""Where `struct tcp_info` counts the bytes that the other side has acknowledged."""


VANISHED_MS = 19_000
"""A connection ends when what was sent on it has not been acknowledged for so long: 35 s after the peer vanished at the
latest, as a heartbeat is sent within 15."""


def end_vanished(listening: socket.socket) -> None:
    """Have the system end the connections of peers that have vanished, where it can: over TCP, on Linux."""
    if listening.family in (socket.AF_INET, socket.AF_INET6) and hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, VANISHED_MS)


def abort(send: Any) -> bool:
    """Cut the connection behind `send`; False where the server offers no way."""
    if isinstance(send, functools.partial):  # Daphne: partial(server.handle_reply, protocol)
        drop = getattr(getattr(send.func, "__self__", None), "abort", None)
        drop = functools.partial(drop, *send.args) if drop is not None else None
    else:  # uvicorn: the bound method of an exchange that knows its transport
        drop = getattr(getattr(getattr(send, "__self__", None), "transport", None), "abort", None)
    if drop is None:
        return False
    drop()
    return True


def taken(send: Any) -> int | None:
    """Return a number that changes whenever the other side takes bytes; None where nobody can tell."""
    try:
        connection = _socket(send)
        return None if connection is None else _acknowledged(connection)
    except (OSError, ValueError, AttributeError):
        return None  # it is closed: each server says so in its own way


def _acknowledged(connection: Any) -> int | None:
    try:
        return int.from_bytes(connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 128)[_BYTES_ACKED], sys.byteorder)
    except OSError:
        # No TCP, or no Linux: then it is what the system still holds of what was written.
        if sys.platform == "win32":
            return None
        return int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)


_TCP_INFO = getattr(socket, "TCP_INFO", -1)


def _socket(send: Any) -> Any:
    if isinstance(send, functools.partial):
        find = getattr(getattr(send.func, "__self__", None), "socket", None)
        return find(*send.args) if find is not None else None
    inquire = getattr(getattr(getattr(send, "__self__", None), "transport", None), "get_extra_info", None)
    return inquire("socket") if inquire is not None else None
