"""A response's body as text: bounded while it arrives, unpacked under the same bound, decoded as it declares.

Promises: never holds more than the limit and one network chunk, whatever the body claims or expands to (httpx's own
decoder unpacks a whole chunk at once: 64 KiB of gzip can be 64 MiB). Refuses every encoding but gzip, which is all that
the fetch asks for, and codecs that are no character sets. Undecodable bytes become U+FFFD; they are never an error.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterable, Iterator

from redline.monitoring.pipeline.errors import FetchError

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_META_CHARSET = re.compile(
    rb"""<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE
)
# Python also looks up "punycode", "unicode_escape", "zlib" and the like; a page gets to name character sets only.
_CHARACTER_SET = re.compile(r"(utf|iso|cp|windows|koi|gb|big5|euc|shift|mac|tis|hz)[\w-]*", re.ASCII | re.IGNORECASE)
_AS_BROWSERS_READ_IT = {"ascii": "cp1252", "iso8859-1": "cp1252", "gb2312": "gb18030"}

# Each further member copies the rest of its chunk: 2 MiB of empty members would cost seconds.
_MOST_MEMBERS = 1000


def read_body(chunks: Iterable[bytes], *, encoding: str, max_bytes: int) -> bytes:
    """All bytes of the body, unpacked. Raises `FetchError` as soon as either form exceeds `max_bytes`."""
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise FetchError(f"unsupported content encoding: {encoding}")
    bounded = _bounded(chunks, max_bytes)
    if encoding.endswith("gzip"):
        bounded = _bounded(_unpack(bounded, max_bytes), max_bytes)
    return b"".join(bounded)


def decode(body: bytes, *, charset: str) -> str:
    """The text, by byte order mark, declared `charset`, the page's own declaration, UTF-8, in this order."""
    for mark, codec in _BOMS:
        if body.startswith(mark):
            return body.decode(codec, errors="replace")
    declared = _META_CHARSET.search(body[:2048])
    for label in (charset, declared.group(1).decode("ascii", errors="replace") if declared else ""):
        if codec := _codec(label):
            return body.decode(codec, errors="replace")
    return body.decode("utf-8", errors="replace")


def size(count: int) -> str:
    """A limit in words: `2 MiB`, `500 bytes`."""
    return f"{count / 2**20:g} MiB" if count >= 2**20 else f"{count} bytes"


def _bounded(chunks: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    held = 0
    for chunk in chunks:
        held += len(chunk)
        if held > max_bytes:
            raise FetchError(f"more than {size(max_bytes)}")
        yield chunk


def _unpack(chunks: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    """Gunzip, member by member: servers that compress a stream piecewise send many."""
    member, members = zlib.decompressobj(wbits=31), 1
    try:
        for chunk in chunks:
            while chunk:
                if member.eof:
                    member, members = zlib.decompressobj(wbits=31), members + 1
                if members > _MOST_MEMBERS:
                    raise FetchError("the compressed body is damaged")
                # One byte over the limit is enough for `_bounded` to refuse it.
                yield member.decompress(chunk, max_bytes + 1)
                chunk = member.unconsumed_tail or member.unused_data.lstrip(b"\0")
    except zlib.error:
        raise FetchError("the compressed body is damaged") from None
    if not member.eof:
        raise FetchError("the compressed body ends early")


def _codec(label: str) -> str:
    try:
        name = codecs.lookup(label.strip().strip("\"'")).name
    except (LookupError, ValueError):
        return ""
    name = _AS_BROWSERS_READ_IT.get(name, name)
    return name if _CHARACTER_SET.fullmatch(name) else ""
