"""An event stream parser that keeps everything: comments, `retry`, blocks without data, and the raw bytes.

The fields are read strictly by the WHATWG rules ("9.2.6 Interpreting an event stream"), but where a browser
only dispatches, this one shows each block that a blank line ended, because tests are about what was sent. The
same bytes give the same blocks however they are cut: a CR ends its line at once, and an LF that follows belongs
to whatever comes next. No clock, no I/O.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

BOM = b"\xef\xbb\xbf"
LINE_END = re.compile(rb"[\r\n]")
DIGITS = frozenset("0123456789")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What stood between two blank lines; a field that was not there is None.

    `event` is the name as written: a browser calls it "message" when there is none. `data` is None where a browser
    would dispatch nothing. `comment` holds the comment lines without their colon and one leading space. `last_event_id`
    is what a browser would send as Last-Event-ID after this block. `at` is the loop's time of its last byte.
    """

    id: str | None = None
    event: str | None = None
    data: str | None = None
    retry: int | None = None
    comment: str | None = None
    last_event_id: str = ""
    raw: bytes = b""
    at: float = field(default=0.0, compare=False)

    @property
    def dispatched(self) -> bool:
        return self.data is not None


class SSEParser:
    """Bytes in, blocks out."""

    def __init__(self) -> None:
        self.last_event_id = ""
        self._line = bytearray()
        self._raw = bytearray()
        self._fields: list[tuple[str, str]] = []
        self._after_cr = False
        self._begun = False

    @property
    def pending(self) -> bytes:
        """Return the bytes that no blank line has ended; at the end of a stream they are to be discarded."""
        return bytes(self._raw)

    def feed(self, data: bytes, *, at: float = 0.0) -> list[Block]:
        blocks = []
        begin = 0
        for match in LINE_END.finditer(data):
            end = match.end()
            follows_cr = self._after_cr and match.start() == begin
            self._after_cr = match[0] == b"\r"
            self._raw += data[begin:end]
            self._line += data[begin : end - 1]
            begin = end
            if match[0] == b"\n" and follows_cr:
                continue
            if (block := self._end_line(at)) is not None:
                blocks.append(block)
        if begin < len(data):
            self._after_cr = False
            self._raw += data[begin:]
            self._line += data[begin:]
        return blocks

    def _end_line(self, at: float) -> Block | None:
        line = bytes(self._line)
        self._line.clear()
        if not self._begun:
            self._begun = True
            line = line.removeprefix(BOM)
        if not line:
            return self._end_block(at)
        # A line is decoded as a whole: no UTF-8 sequence contains a line end, so cutting here changes nothing.
        name, _, value = line.decode("utf-8", "replace").partition(":")
        self._fields.append((name, value.removeprefix(" ")))
        return None

    def _end_block(self, at: float) -> Block | None:
        fields, self._fields = self._fields, []
        if not fields:
            return None  # a further blank line; its bytes go to the next block
        raw = bytes(self._raw)
        self._raw.clear()
        ids = [value for name, value in fields if name == "id" and "\0" not in value]
        retries = [value for name, value in fields if name == "retry" and value and DIGITS.issuperset(value)]
        if ids:
            self.last_event_id = ids[-1]
        return Block(
            id=_last(ids),
            event=_last(_values(fields, "event")),
            data=_joined(_values(fields, "data")),
            retry=int(retries[-1]) if retries else None,
            comment=_joined(_values(fields, "")),
            last_event_id=self.last_event_id,
            raw=raw,
            at=at,
        )


def _values(fields: list[tuple[str, str]], name: str) -> list[str]:
    return [value for one, value in fields if one == name]


def _last(values: list[str]) -> str | None:
    return values[-1] if values else None


def _joined(values: list[str]) -> str | None:
    return "\n".join(values) if values else None
