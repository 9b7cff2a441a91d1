"""A change with what a person needs to judge it: a sentence, its weight, its category, where it stands.

A `Finding` is made by `reason` and completed by `classify`; `because` and `category_because` keep the words that
decided, so that "why?" has an answer without running anything again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypedDict

from redline.monitoring.pipeline.ops import Op

Category = Literal["data", "pricing", "subprocessor", "terms", "sla", "security"]
Materiality = Literal["material", "minor", "cosmetic"]
PageKind = Literal["terms", "privacy", "pricing", "subprocessors", "sla", "security", "other"]

MATERIALITIES: tuple[Materiality, ...] = ("cosmetic", "minor", "material")


class Citation(TypedDict):
    """Where the words stand: verbatim, or cut at a word with `…`."""

    quote: str
    section: str
    url: str
    fetchedAt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One change, told. `category` is empty until `classify` has seen it."""

    section: str
    summary: str
    before: str
    after: str
    ops: tuple[Op, ...]
    materiality: Materiality
    because: tuple[str, ...]
    citations: tuple[Citation, ...]
    category: Category | Literal[""] = ""
    category_because: tuple[str, ...] = ()


def at_least(materiality: Materiality, floor: Materiality) -> bool:
    """Whether one materiality weighs as much as another."""
    return MATERIALITIES.index(materiality) >= MATERIALITIES.index(floor)


def instant(at: datetime) -> str:
    """ISO 8601 in UTC with `Z` and milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
