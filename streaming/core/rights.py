"""What one user may see of one org, as sets: frozen, hashable, decided without looking into a payload.

Two users with the same rights share every filtered chunk that is sent to them, so a project's `ACCESS` class
should return few distinct values.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """`all` sees everything; otherwise an entry must name one of `keys`, and be addressed to one of `names`.

    An entry without keys belongs to every member of the org, one without audience is addressed to all of them.
    """

    all: bool = False
    keys: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def sees(self, *, keys: Set[str], audience: Set[str]) -> bool:
        if self.all:
            return True
        return (not keys or not self.keys.isdisjoint(keys)) and (not audience or not self.names.isdisjoint(audience))


EVERYTHING = Rights(all=True)
"""The rights of an owner, and of a one-org project's every active user."""
