"""The vendors' web server, and the receivers of what the demo's policies send: one port of 127.0.0.1.

    sites = Sites(mark="org_…"); sites.start(); …; sites.stop()

Listens on the loopback address only, and says nothing in the terminal. Refuses a port that is taken: `OSError`. `mark`
is in each answer's `Server` header, so that a second demo knows whose server it has found.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone

from redline.demo import receivers
from redline.demo.answer import Answer
from redline.demo.catalogue import pages
from redline.demo.inbox import Inbox, inbox
from redline.demo.publishing import Publishing
from redline.demo.timeline import Timeline

ADDRESS = "127.0.0.1"
LONGEST_HOOK = 65_536


class Sites:
    """Counts its time from its making; `clock` is in seconds. `begun` is asked once the port is had."""

    def __init__(
        self,
        *,
        mark: str = "",
        begun: Callable[[], Mapping[str, int]] = dict,
        port: int = 0,
        received: Inbox = inbox,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = _Server((ADDRESS, port), _Handler)
        self._server.sites = self
        self.software = software(mark)
        self._clock = clock
        self._zero = clock()
        self._inbox = received
        timeline = Timeline(pages=pages(), begun=begun())
        self._publishing = Publishing(timeline, inbox=received, started_at=timezone.now())
        self._thread = threading.Thread(target=self._serve, name="demo-sites", daemon=True)

    @property
    def host(self) -> str:
        """Return `host:port`."""
        return f"{ADDRESS}:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def get(self, path: str, headers: Mapping[str, str]) -> Answer:
        return self._publishing.get(path, headers, elapsed=self._clock() - self._zero)

    def post(self, path: str, body: bytes, *, key: str) -> Answer:
        return receivers.post(path, body, key=key, inbox=self._inbox)

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.1)


def software(mark: str) -> str:
    """Return what the server of this mark calls itself."""
    return f"redline-demo {mark}".strip()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a reader that keeps its connection would hold up the end
    request_queue_size = 64
    sites: Sites

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service for the address's name, which can take seconds to fail.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: what fails here is a reader that went away."""


class _Handler(BaseHTTPRequestHandler):
    """Reads requests, writes answers; the rest is `Sites`."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    wbufsize = -1  # head and body in one write: as two, Nagle and delayed ACKs cost 40 ms an answer
    server: _Server

    def do_GET(self) -> None:
        self._write(self._got(), with_body=True)

    def do_HEAD(self) -> None:
        self._write(self._got(), with_body=False)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LONGEST_HOOK:
            self.close_connection = True
            self._write(Answer(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE), with_body=True)
            return
        answer = self.server.sites.post(
            urlsplit(self.path).path,
            self.rfile.read(int(length)),
            key=self.headers.get("Idempotency-Key", ""),
        )
        self._write(answer, with_body=True)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal belongs to the demo's few lines."""

    def version_string(self) -> str:
        return self.server.sites.software

    def _got(self) -> Answer:
        return self.server.sites.get(urlsplit(self.path).path, dict(self.headers))

    def _write(self, answer: Answer, *, with_body: bool) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status is not HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body)
