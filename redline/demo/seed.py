"""What the demo finds in its database when it starts: the vendors it watches, what it bought, what it cares about.

Promises: safe to run again. A second start keeps vendors, changes and whatever users did, moves the pages' addresses
to where the vendors' server listens this time, and says how far its readers had come.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.utils import timezone

from redline.demo import policies
from redline.demo.accounts import SLUG, Accounts
from redline.demo.catalogue import VENDORS, DemoVendor
from redline.demo.publishing import revision_of
from redline.monitoring.models import Entitlement, Vendor, VendorPage


def former_port() -> int:
    """Return the port on which the vendors' server listened last time, 0 if there was none."""
    urls = VendorPage.objects.filter(vendor__org__slug=SLUG, vendor__homepage_url__startswith="http://127.0.0.1:")
    url = urls.values_list("url", flat=True).first()
    return (urlsplit(url).port or 0) if url else 0


def begun() -> dict[str, int]:
    """Return by path the revision of each page that was fetched last."""
    rows = VendorPage.objects.filter(vendor__org__slug=SLUG).values_list("url", "etag")
    return {urlsplit(url).path: revision_of(etag) for url, etag in rows}


def make(accounts: Accounts, *, sites_url: str) -> None:
    """Make what is missing of the org's vendors, policies and entitlement."""
    for vendor in VENDORS:
        _vendor(vendor, accounts, sites_url)
    policies.make(accounts.org, sites_url=sites_url)
    Entitlement.objects.get_or_create(org=accounts.org, defaults={"compliance_pack": True})


def _vendor(vendor: DemoVendor, accounts: Accounts, sites_url: str) -> None:
    home = f"{sites_url}/{vendor.slug}/"
    row = Vendor.objects.filter(org=accounts.org, homepage_url__endswith=f"/{vendor.slug}/").first()
    if row is None:
        row = Vendor.objects.create(
            org=accounts.org,
            name=vendor.name,
            homepage_url=home,
            tier=vendor.tier,
            owner=accounts.users["member"],
            cadence_seconds=vendor.cadence_seconds,
        )
    else:
        # Due at once, so that a board that was left overnight is up to date in seconds.
        Vendor.objects.filter(pk=row.pk).update(homepage_url=home, next_run_at=timezone.now())
    for kind in vendor.pages:
        page = row.pages.filter(url__endswith=f"/{vendor.slug}/{kind}").first() or VendorPage(vendor=row, kind=kind)
        page.url = f"{home}{kind}"
        page.save()
