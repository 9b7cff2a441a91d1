"""The body of an HTTP/1.1 response without its transfer coding, fed in pieces of any size (RFC 9112, 6 and 7).

Pure: bytes in, bytes out. `complete` tells whether the body ended as its framing says, so that a stream which was
cut can be told from one that was ended.
"""

from __future__ import annotations

from collections.abc import Mapping


class Body:
    """Chunked, of a known length, or up to the end of the connection, as the headers say."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.complete = False
        self._buffer = bytearray()
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length")
        # How many bytes of the present chunk, or of the body, are still to come; None: nobody knows.
        self._left = 0 if self._chunked else None if length is None else int(length)
        self._trailer = False
        if not self._chunked and self._left == 0:
            self.complete = True

    def feed(self, data: bytes) -> bytes:
        """Return what `data` adds to the body; empty `data` is the end of the connection."""
        if not data:
            self.complete = self.complete or (not self._chunked and self._left is None)
            return b""
        if self._chunked:
            if not (self._buffer or self._left or self._trailer) and (part := _one_chunk(data)):
                return part
            self._buffer += data
            return b"".join(self._chunks())
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
            self.complete = self._left == 0
        return data

    def _chunks(self) -> list[bytes]:
        parts: list[bytes] = []
        while not self.complete and (part := self._step()) is not None:
            parts.append(part)
        return parts

    def _step(self) -> bytes | None:
        """Consume one line or what there is of a chunk; None: more bytes are needed."""
        if self._left:
            return self._take_data(self._left)
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._trailer:
            self.complete = not line
        elif line:  # an empty one ends the chunk before it
            self._left = int(line.partition(b";")[0], 16)
            self._trailer = self._left == 0
        return b""

    def _take_data(self, left: int) -> bytes | None:
        part = bytes(self._buffer[:left])
        del self._buffer[: len(part)]
        self._left = left - len(part)
        return part or None


def _one_chunk(data: bytes) -> bytes:
    """Return what `data` holds if it is exactly one chunk, as it mostly is; else nothing."""
    end = data.find(b"\r\n", 0, 10)
    if end <= 0 or b";" in data[:end]:
        return b""
    size = int(data[:end], 16)
    return data[end + 2 : -2] if size and len(data) == end + size + 4 else b""
