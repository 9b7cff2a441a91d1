"""Summaries quote, materiality follows the table of signals, citations can be looked up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from redline.monitoring.pipeline.compare import compare
from redline.monitoring.pipeline.finding import Finding, PageKind
from redline.monitoring.pipeline.reason import reason
from redline.monitoring.pipeline.text import read

THEN = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def findings(old: str, new: str, *, page_kind: PageKind = "other") -> list[Finding]:
    changes = compare(read(old, content_type="text/markdown"), read(new, content_type="text/markdown"))
    return reason(changes, url="https://vendor.example/terms", fetched_at=THEN, page_kind=page_kind)


def finding(old: str, new: str, *, page_kind: PageKind = "other") -> Finding:
    [only] = findings(old, new, page_kind=page_kind)
    return only


@pytest.mark.parametrize(
    ("old", "new", "because"),
    [
        ("We keep logs for 90 days.", "We keep logs for 30 days.", "an amount changed"),
        ("Notice of thirty days.", "Notice of ten days.", "an amount changed"),
        ("30 days notice is given.", "60 days notice is given.", "an amount changed"),
        ("It costs $10.", "It costs €10.", "an amount changed"),
        ("Uptime is 99.9%.", "Uptime is 99.5%.", "an amount changed"),
        ("Fees of 1,000 apply.", "Fees of 1.000 apply.", "an amount changed"),
        ("Up to 10 users and 20 seats.", "Up to 20 users and 10 seats.", "an amount changed"),
        ("Billed monthly.", "Billed annually.", "a period changed"),
        ("We share logs.", "We do not share logs.", "an exception or negation changed"),
        ("We can't see logs.", "We see logs.", "an exception or negation changed"),
        ("You may leave.", "You must leave.", "a duty or permission changed"),
        ("We look at logs.", "We sell logs.", "a weighty word changed"),
        ("Hosted by us.", "Hosted by Northwind Hosting GmbH.", "a company is named"),
    ],
)
def test_what_binds_is_material_and_says_why(old: str, new: str, because: str) -> None:
    result = finding(old, new)
    assert (result.materiality, because in result.because) == ("material", True), result.because


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("We are glad to help you.", "We are happy to help you."),
        ("See Section 4.2 for more.", "See Section 4.3 for more."),
        ("Last updated: 1 March 2025", "Last updated: 2 April 2026"),
        ("Copyright 2019-2025 the vendor", "Copyright 2019-2026 the vendor"),
        ("You may leave, as said before.", "As was said, you may leave."),
        ("Seen in May 2025 by us.", "Seen in June 2025 by us."),
    ],
)
def test_rewording_references_and_dates_of_revision_are_minor(old: str, new: str) -> None:
    assert finding(old, new).materiality == "minor"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Hello, World we greet.", "hello world we greet"),
        ("Our sub-processors differ.", "Our Subprocessors differ."),
        ("DESCRIPTION", "Description"),
    ],
)
def test_case_and_punctuation_alone_are_cosmetic(old: str, new: str) -> None:
    assert finding(old, new).materiality == "cosmetic"


def test_every_name_on_a_list_of_subprocessors_is_material() -> None:
    rows = "| Name | Place |\n|---|---|\n| Acme Hosting | Berlin |\n"
    added = rows + "| Northwind Mail | Dublin |\n"
    assert finding(rows, added, page_kind="subprocessors").materiality == "material"
    assert finding(rows, added).materiality == "minor"


def test_the_summary_quotes_both_sides_with_topic_and_section() -> None:
    old = "# Privacy\n\n## Data retention\n\nWe keep your data for 90 days."
    assert finding(old, old.replace("90", "30")).summary == (
        "Retention: “90 days” became “30 days” in section Data retention"
    )


@pytest.mark.parametrize(
    ("old", "new", "summary"),
    [
        ("We may share data.", "We may not share data.", "Sharing of data: “not” was added after “We may”"),
        ("The fee is $10 per user.", "The fee is $12 per user.", "Price: “$10” became “$12”"),
        ("Uptime of 99.9% holds.", "Uptime of 99.5% holds.", "Availability: “99.9%” became “99.5%”"),
        ("Keep it.\n\nGone now.", "Keep it.", "“Gone now.” was removed"),
        ("Keep it.", "Keep it.\n\nNew here.", "“New here.” is new"),
        ("Data uses AES-128 keys.", "Data uses AES-256 keys.", "Encryption: “AES-128” became “AES-256”"),
        (
            "Bob likes the old tea and takes one cup for 5 days in spring.",
            "Rob likes the old tea and takes one cup for 6 days in spring.",
            "“5 days” became “6 days” (and 1 more edit)",
        ),
    ],
)
def test_the_summary_is_a_sentence_about_the_heaviest_edit(old: str, new: str, summary: str) -> None:
    assert finding(old, new).summary == summary


def test_a_citation_is_verbatim_with_place_and_instant() -> None:
    result = finding("## Fees\n\nThe fee is $10.", "## Fees\n\nThe fee is $12.")
    assert result.citations == (
        {
            "quote": "The fee is $12.",
            "section": "Fees",
            "url": "https://vendor.example/terms",
            "fetchedAt": "2026-03-01T12:00:00.250Z",
        },
    )


def test_a_removal_is_cited_as_of_the_former_fetch_in_utc() -> None:
    changes = compare(
        read("Stays.\n\nGoes away.", content_type="text/plain"), read("Stays.", content_type="text/plain")
    )
    before = datetime(2026, 2, 28, 13, tzinfo=timezone(timedelta(hours=2)))
    [result] = reason(changes, url="https://v.example/", fetched_at=THEN, previous_fetched_at=before)
    assert (result.citations[0]["quote"], result.citations[0]["fetchedAt"]) == (
        "Goes away.",
        "2026-02-28T11:00:00.000Z",
    )


def test_no_change_is_no_finding() -> None:
    assert findings("# A\n\n*Same* words.", "# A\n\nSame  words.") == []
