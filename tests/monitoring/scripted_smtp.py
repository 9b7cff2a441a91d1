"""A mail server on loopback that keeps what it takes, and refuses as it is told."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from email.policy import default


class Post(socketserver.ThreadingTCPServer):
    """`refusals`: replies to RCPT, one a connection, before recipients are accepted."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Dialogue)
        self.refusals: list[bytes] = []
        self.connections = 0
        self.taken: list[tuple[str, Message]] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Dialogue(socketserver.StreamRequestHandler):
    server: Post

    def handle(self) -> None:
        self.server.connections += 1
        self._say(b"220 post.example")
        recipient = ""
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"RCPT":
                recipient = line.decode().strip().partition(":")[2].strip("<>")
                self._say(self.server.refusals.pop(0) if self.server.refusals else b"250 ok")
            elif verb == b"DATA":
                self._say(b"354 go on")
                self.server.taken.append((recipient, message_from_bytes(self._data(), policy=default)))
                self._say(b"250 taken")
            elif verb == b"QUIT":
                return self._say(b"221 bye")
            else:
                self._say(b"250 ok")
        return None

    def _data(self) -> bytes:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        return b"".join(lines)

    def _say(self, reply: bytes) -> None:
        self.wfile.write(reply + b"\r\n")


@contextmanager
def running() -> Iterator[Post]:
    """A running mail server on an ephemeral port."""
    with Post() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
