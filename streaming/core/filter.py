"""What one connection lets through, and in which envelope: the stream's types, the user's rights, the client's choice.

Looks only at an entry's columns, never into its payload. Hashable, so that connections with the same filter share
one filtered, encoded chunk.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Protocol

from streaming.core.envelope import Envelope
from streaming.core.rights import EVERYTHING, Rights


class Addressed(Protocol):
    """The columns that a filter decides on; entries and snapshot events both have them."""

    @property
    def type(self) -> str: ...
    @property
    def resource(self) -> str: ...
    @property
    def keys(self) -> Set[str]: ...
    @property
    def audience(self) -> Set[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A client's narrowing of a stream: entries that concern all of `within`, of `types` where given."""

    within: frozenset[str] = frozenset()
    types: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    types: frozenset[str]
    rights: Rights = EVERYTHING
    scope: Scope = Scope()
    envelope: Envelope | None = None

    def admits(self, entry: Addressed) -> bool:
        if entry.type not in self.types or not self.rights.sees(keys=entry.keys, audience=entry.audience):
            return False
        scope = self.scope
        if scope.types is not None and entry.type not in scope.types:
            return False
        return scope.within <= entry.keys | {entry.resource} if scope.within else True
