"""`serve`: becomes the stock server, on a listening socket and with the options that streams need.

What the servers' own command lines cannot say is what happens to a peer that has vanished: a connection whose data
nobody acknowledges stays open for a quarter of an hour. `TCP_USER_TIMEOUT` on the listening socket is inherited by
every connection and ends it after 19 s (on Linux; elsewhere the system's own time holds). uvicorn is handed a socket
that has it; our Daphne sets it itself. The rest is what each has to be told so that streams work: uvicorn an end of its
patience with them, Daphne never a time-out.
"""

from __future__ import annotations

import os
import socket
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from streaming.asgi import transport
from streaming.management.command import BadInput, OneLineCommand

BACKLOG = 2048


class Command(OneLineCommand):
    help = "Serve the ASGI application on uvicorn or Daphne; what follows -- goes to the server as it is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--server", choices=["uvicorn", "daphne"], default="uvicorn")
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="the port to listen on (8000)")
        parser.add_argument("--unix", metavar="PATH", help="listen on a Unix socket instead")
        parser.add_argument("--grace", type=int, default=5, metavar="S", help="how long uvicorn waits at its end (5)")
        parser.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="of the server's own, behind --")

    def handle(self, *args: Any, **options: Any) -> None:
        told = Namespace(**options)
        if not 1 <= told.port <= 65_535:
            raise BadInput(f"--port is 1 to 65535, not {told.port}.")
        make = daphne if told.server == "daphne" else uvicorn
        command = [sys.executable, "-m", told.server, *make(told), application()]
        self.stdout.flush()
        os.execve(sys.executable, command, environment())


def daphne(told: Namespace) -> list[str]:
    """Return Daphne's arguments; refuses `--http-timeout`, however it is written."""
    from daphne.cli import CommandLineInterface

    known, _ = CommandLineInterface().parser.parse_known_args([*told.arguments, "application"])
    if known.http_timeout is not None:
        raise BadInput("--http-timeout would end every stream after that time; leave it out.")
    where = ["-u", told.unix] if told.unix else ["-b", told.host, "-p", str(told.port)]
    return [*where, *told.arguments]


def uvicorn(told: Namespace) -> list[str]:
    """Return uvicorn's arguments with a socket that listens already; what the caller adds comes later and wins."""
    try:
        listening = listen_unix(Path(told.unix)) if told.unix else listen(told.host, told.port)
    except OSError as error:
        where = told.unix or f"{told.host}:{told.port}"
        raise CommandError(f"Cannot listen on {where}: {error.strerror or error}.") from None
    descriptor = listening.detach()
    os.set_inheritable(descriptor, True)
    # The client's address is `TRUSTED_PROXIES`' to tell; uvicorn by itself would believe any local process.
    return [
        *("--fd", str(descriptor), "--lifespan", "on", "--timeout-graceful-shutdown", str(told.grace)),
        *("--no-access-log", "--no-proxy-headers", *told.arguments),
    ]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Inherited too: uvicorn forgets it for a socket that it was handed, and small events would wait for each other.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport.end_vanished(listening)
    return _at(address, listening)


def listen_unix(path: Path) -> socket.socket:
    """Return a socket that listens on a path, in place of one that a former process has left there.

    Everybody may connect: who gets to the socket is for its directory to say.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        if path.is_socket() and probe.connect_ex(str(path)):
            path.unlink()
    listening = _at(str(path), socket.socket(socket.AF_UNIX))
    path.chmod(0o666)
    return listening


def _at(address: Any, listening: socket.socket) -> socket.socket:
    try:
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def application() -> str:
    """Return the project's application as the servers name it."""
    module, _, name = str(getattr(settings, "ASGI_APPLICATION", None) or "").rpartition(".")
    if not module:
        raise CommandError("ASGI_APPLICATION names no application.")
    return f"{module}:{name}"


def environment() -> dict[str, str]:
    """Return the environment in which the server finds the project, wherever it is started from."""
    paths = [sys.path[0], os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
