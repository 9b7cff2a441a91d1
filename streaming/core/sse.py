"""Server-sent events as bytes: one block per call, one line each of `id`, `event`, `data`.

Promises that nothing put into a block can end it early or add a field: data must be one line (canonical JSON
is), and an id or event name with CR, LF or NUL is refused, because both would be injection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from streaming.core.wire import canonical

_BREAKS = re.compile(r"[\r\n\0]")
_BREAKS_BYTES = re.compile(rb"[\r\n]")


def block(
    *, event: str | None = None, data: bytes | None = None, id: str | None = None, retry: int | None = None
) -> bytes:
    """Encode one block; `retry` in milliseconds."""
    parts = []
    if retry is not None:
        parts.append(b"retry: %d\n" % retry)
    if id is not None:
        parts.append(b"id: %b\n" % _field(id))
    if event is not None:
        parts.append(b"event: %b\n" % _field(event))
    if data is not None:
        if _BREAKS_BYTES.search(data):
            raise ValueError("data must be a single line")
        parts.append(b"data: %b\n" % data)
    parts.append(b"\n")
    return b"".join(parts)


def control(event: str, data: object, *, id: str | None = None, retry: int | None = None) -> bytes:
    """Encode a block of the protocol's own."""
    return block(event=event, data=canonical(data), id=id, retry=retry)


def comment(text: str, *, id: str | None = None) -> bytes:
    """Encode a comment, which moves the client's cursor when an id is given and dispatches nothing."""
    head = b"" if id is None else b"id: %b\n" % _field(id)
    return head + b": %b\n\n" % _field(text)


def overhead(event: str) -> int:
    """Return the most bytes that a block adds to its data, for a cursor of the largest size."""
    return len("id: \nevent: \ndata: \n\n") + 64 + len(event)


def _field(text: str) -> bytes:
    if _BREAKS.search(text):
        raise ValueError("an id, event or comment cannot hold CR, LF or NUL")
    return text.encode()


def joined(blocks: Iterable[bytes], *, limit: int) -> list[bytes]:
    """Join blocks into writes of at most `limit` bytes, a single larger block apart."""
    writes: list[bytes] = []
    parts: list[bytes] = []
    size = 0
    for block in blocks:
        if parts and size + len(block) > limit:
            writes.append(b"".join(parts))
            parts, size = [], 0
        parts.append(block)
        size += len(block)
    return [*writes, b"".join(parts)] if parts else writes
