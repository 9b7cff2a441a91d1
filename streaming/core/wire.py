"""Names and bytes that cross a process: group names, poke messages, canonical JSON.

A group name is built from the org's key and nothing else, and is checked against ASCII by hand: the layer's own
check lets a trailing newline and Unicode digits through.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from streaming.core.errors import ConfigurationError

POKE = "stream.poke"
"""The `type` of the message that goes through the channel layer: an org's log has reached a head."""

PROBE = "stream.probe"
"""The `type` of the message by which a process hears whether the layer carries anything to it."""

RIGHTS = "stream.rights"
"""The `type` of the log entry that has somebody's rights looked up anew; goes to no client."""

PUBLIC_ORG = "_public"
"""The org of feeds that belong to nobody."""

_ORG = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,59}", re.ASCII)


def is_org(text: object) -> bool:
    return isinstance(text, str) and _ORG.fullmatch(text) is not None


def is_event_type(text: object) -> bool:
    return isinstance(text, str) and _TYPE.fullmatch(text) is not None


def group_name(org: str) -> str:
    """Return the Channels group of an org, at most 47 characters."""
    if not is_org(org):
        raise ConfigurationError(f"An org's key is 1 to 40 of A-Z a-z 0-9 _ -, not {org!r}.")
    return f"stream.{org}"


def canonical(value: Any) -> bytes:
    """Encode as JSON in one line, keys in the order given: the bytes that live, replay and polling all send."""
    return orjson.dumps(value)


def thin(*, type: str, resource: str, size: int) -> bytes:
    """Return what goes out in place of a payload that is too large for one event."""
    return canonical({"oversize": True, "bytes": size, "type": type, "resource": resource})
