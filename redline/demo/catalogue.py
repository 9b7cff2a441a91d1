"""The vendors that the demo watches: all fictional, with names that say what they sell.

The order of the list is the order in which they are edited; the first ones are those that a newcomer sees first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from redline.demo.page import PUBLISHED, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoVendor:
    """A vendor and how the org watches it; without `cadence_seconds` at the scheduler's own cadence."""

    slug: str
    name: str
    tier: str
    pages: tuple[str, ...]
    cadence_seconds: int | None = None


VENDORS = (
    DemoVendor(
        slug="northwind-mail", name="Northwind Mail", tier="critical", pages=("privacy", "subprocessors", "terms")
    ),
    DemoVendor(slug="eastgate-payroll", name="Eastgate Payroll", tier="critical", pages=("subprocessors", "sla")),
    DemoVendor(slug="southbank-analytics", name="Southbank Analytics", tier="critical", pages=("pricing", "privacy")),
    DemoVendor(
        slug="westbrook-chat", name="Westbrook Chat", tier="important", pages=("terms", "sla"), cadence_seconds=20
    ),
    DemoVendor(
        slug="hilltop-storage",
        name="Hilltop Storage",
        tier="important",
        pages=("security", "pricing"),
        cadence_seconds=20,
    ),
    DemoVendor(
        slug="lakeside-surveys", name="Lakeside Surveys", tier="standard", pages=("privacy",), cadence_seconds=30
    ),
    DemoVendor(slug="riverbend-backup", name="Riverbend Backup", tier="important", pages=("sla",), cadence_seconds=20),
    DemoVendor(
        slug="meadow-signatures",
        name="Meadow Signatures",
        tier="standard",
        pages=("terms", "pricing"),
        cadence_seconds=30,
    ),
    DemoVendor(
        slug="harbour-helpdesk",
        name="Harbour Helpdesk",
        tier="important",
        pages=("subprocessors", "security"),
        cadence_seconds=20,
    ),
    DemoVendor(
        slug="orchard-calendar",
        name="Orchard Calendar",
        tier="standard",
        pages=("pricing", "terms"),
        cadence_seconds=30,
    ),
)


@cache
def pages() -> tuple[Page, ...]:
    """Return every page in the order in which they are edited: each vendor's first, then each one's second, …"""
    most = max(len(vendor.pages) for vendor in VENDORS)
    return tuple(
        Page.read(PUBLISHED / vendor.slug / f"{vendor.pages[number]}.md")
        for number in range(most)
        for vendor in VENDORS
        if number < len(vendor.pages)
    )
