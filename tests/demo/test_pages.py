"""The vendors' pages as the product reads them: what each edit changes, and what it must not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from redline.demo import rendering
from redline.demo.catalogue import VENDORS, pages
from redline.demo.page import MARKUP, Page
from redline.monitoring.models import PageKind, Tier
from redline.monitoring.pipeline import text
from redline.monitoring.pipeline.compare import Change, compare
from redline.monitoring.pipeline.document import Document

AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
TYPES = {"html": "text/html", "markdown": "text/markdown"}
PAGES = pytest.mark.parametrize("page", pages(), ids=lambda page: page.path)


def published(page: Page, revision: int) -> bytes:
    return rendering.body(page, revision=revision, vendor="A vendor", edited_at=AT)


def read(page: Page, revision: int) -> Document:
    return text.read(published(page, revision).decode(), content_type=TYPES[page.served])


def changes(page: Page, revision: int) -> list[Change]:
    """What a reader finds who saw the revision before."""
    return compare(read(page, revision - 1), read(page, revision))


def two_rounds(page: Page) -> range:
    return range(1, 2 * len(page.edits) + 1)


@PAGES
def test_an_edit_of_words_is_found_and_is_one_clause(page: Page) -> None:
    for revision in two_rounds(page):
        if page.edit(revision) != MARKUP:
            assert len(changes(page, revision)) == 1, page.edit(revision)


@PAGES
def test_an_edit_of_markup_changes_bytes_and_no_words(page: Page) -> None:
    revisions = [revision for revision in two_rounds(page) if page.edit(revision) == MARKUP]
    assert revisions
    for revision in revisions:
        assert published(page, revision) != published(page, revision - 1)
        assert changes(page, revision) == []


@PAGES
def test_no_edit_ever_leaves_a_page_as_it_was(page: Page) -> None:
    for revision in range(1, 60):
        assert published(page, revision) != published(page, revision - 1), (revision, page.edit(revision))


@PAGES
def test_the_day_of_the_last_edit_is_no_news(page: Page) -> None:
    later = rendering.body(page, revision=0, vendor="A vendor", edited_at=AT.replace(day=6)).decode()
    assert compare(read(page, 0), text.read(later, content_type=TYPES[page.served])) == []


@PAGES
def test_no_mark_of_ours_is_published(page: Page) -> None:
    for revision in range(12):
        words = published(page, revision).decode()
        assert "{{" not in words
        assert "||" not in words
        assert "edits:" not in words
        assert "<p>|" not in words, "a row that is not there yet ended the table"


def test_the_first_edits_are_the_ones_that_a_newcomer_should_see() -> None:
    first, second, third = pages()[:3]
    assert "for 30 days after a user deletes them" in changes(first, 1)[0].after
    assert "Millbrook Clearing" in changes(second, 1)[0].after
    assert "€29 per seat" in changes(third, 1)[0].after


def test_vendors_and_pages_are_what_the_product_knows() -> None:
    assert 8 <= len(VENDORS) <= 12
    assert {vendor.tier for vendor in VENDORS} <= set(Tier.values)
    assert {page.kind for page in pages()} <= set(PageKind.values)
    assert {page.served for page in pages()} == {"html", "markdown"}
    assert len({page.path for page in pages()}) == sum(len(vendor.pages) for vendor in VENDORS)
    assert all(vendor.cadence_seconds is None or vendor.cadence_seconds >= 10 for vendor in VENDORS)
