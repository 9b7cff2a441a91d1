"""An httpx transport that connects only where `address` allows, and never longer than its deadline.

The check sits where the socket is opened: the pool asks this backend to connect to the URL's host, the backend
resolves once, judges, and connects to the very address that it judged. Host header, SNI and certificate verification
keep the name, because nothing above the socket knows of the address. A redirect opens its connection here too.
Promises: one deadline for everything that a client does — resolving, connecting, TLS, each read and write get what is
left of it. Refuses proxies, Unix sockets and the environment's settings.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
import time
from collections.abc import Iterable, Iterator

import httpcore
import httpx

from redline.monitoring.pipeline.address import Allow, resolve
from redline.monitoring.pipeline.errors import FetchError

SocketOptions = Iterable[httpcore.SOCKET_OPTION] | None


class Deadline:
    """An instant on the monotonic clock, asked for what is left."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left; raises `TimeoutError` when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left


class _BoundedStream(httpcore.NetworkStream):
    """A stream whose single reads and writes cannot outlive the whole."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        inner = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return _BoundedStream(inner, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


class GuardedBackend(httpcore.NetworkBackend):
    """Opens sockets to judged addresses only."""

    def __init__(self, *, allow: Allow, deadline: Deadline) -> None:
        self._allow = allow
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.NetworkStream:
        *others, last = resolve(host, port, allow=self._allow, timeout=self._deadline.left())
        for address in others:
            # Half of what is left each, so that a black-holed first address leaves time for the next.
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return self._open(address, port, self._deadline.left() / 2, socket_options)
        return self._open(last, port, self._deadline.left(), socket_options)

    def _open(self, address: str, port: int, timeout: float, options: SocketOptions) -> httpcore.NetworkStream:
        stream = self._sockets.connect_tcp(address, port, timeout=timeout, socket_options=options)
        return _BoundedStream(stream, self._deadline)


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _httpx_errors():
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class GuardedTransport(httpx.BaseTransport):
    """httpx over a pool that opens its sockets through `GuardedBackend`."""

    def __init__(self, *, allow: Allow, deadline: Deadline, ssl_context: ssl.SSLContext | None = None) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context or _public_authorities(),
            network_backend=GuardedBackend(allow=allow, deadline=deadline),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path
        )
        asked = httpcore.Request(
            request.method, url, headers=request.headers.raw, content=request.read(), extensions=request.extensions
        )
        with _httpx_errors():
            answer = self._pool.handle_request(asked)
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    def close(self) -> None:
        self._pool.close()


def checked_url(url: str | httpx.URL) -> httpx.URL:
    """The URL, if it is one to ask for. Raises `FetchError`, or `httpx.InvalidURL` if it is none at all."""
    target = httpx.URL(url)
    if target.scheme not in ("http", "https"):
        raise FetchError(f"not an http or https URL: {target.scheme or 'no scheme'}")
    if not target.host:
        raise FetchError("the URL names no host")
    if target.userinfo:
        raise FetchError("the URL carries credentials")
    return target


def guarded_client(
    *, allow: Allow, timeout: float, ssl_context: ssl.SSLContext | None = None, headers: dict[str, str] | None = None
) -> httpx.Client:
    """A client for one errand, which must be over in `timeout` seconds. Follows no redirects."""
    transport = GuardedTransport(allow=allow, deadline=Deadline(timeout), ssl_context=ssl_context)
    return httpx.Client(transport=transport, headers=headers, timeout=timeout, trust_env=False, follow_redirects=False)


@functools.cache
def _public_authorities() -> ssl.SSLContext:
    # Reading the bundle takes 20 to 50 ms, which a client per errand would pay each time.
    return httpx.create_ssl_context(trust_env=False)


@contextlib.contextmanager
def _httpx_errors() -> Iterator[None]:
    try:
        yield
    except (httpcore.TimeoutException, TimeoutError) as error:
        raise httpx.TimeoutException(str(error)) from error
    except httpcore.ConnectError as error:
        raise httpx.ConnectError(str(error)) from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise httpx.TransportError(str(error)) from error
