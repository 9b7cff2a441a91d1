"""The category follows the table, the page's kind is only a prior, and the answer names its words."""

from __future__ import annotations

import pytest

from redline.monitoring.pipeline.classify import Classification, classification, classify
from redline.monitoring.pipeline.finding import Category, Finding, PageKind
from redline.monitoring.pipeline.rules import PRIORS, RULES


def category(text: str, page_kind: PageKind = "other", section: str = "") -> Category:
    return classification(section=section, ops=[("insert", text)], page_kind=page_kind).category


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We retain personal data for 30 days.", "data"),
        ("We may use your content to train our models.", "data"),
        ("Cookies help analytics.", "data"),
        ("Each seat costs $12, billed per month.", "pricing"),
        ("Late payment adds a surcharge.", "pricing"),
        ("Sub processors: Acme hosts data on our behalf.", "subprocessor"),
        ("The governing law is that of Ireland; class actions are waived.", "terms"),
        ("Our liability is limited.", "terms"),
        ("Monthly uptime percentage falls; service credits apply.", "sla"),
        ("Support hours and response times.", "sla"),
        ("Backups are encrypted at rest with AES.", "security"),
        ("A SOC 2 report and an ISO 27001 certification.", "security"),
    ],
)
def test_the_words_decide_on_a_page_of_no_kind(text: str, expected: Category) -> None:
    assert category(text) == expected


@pytest.mark.parametrize("page_kind", sorted(PRIORS))
def test_without_words_the_kind_of_the_page_decides(page_kind: PageKind) -> None:
    assert category("Hello there", page_kind) == PRIORS[page_kind][0]


def test_plain_words_overrule_the_kind_of_the_page() -> None:
    assert category("Uptime is 99.5% and service credits change.", "terms") == "sla"
    assert category("The price is $12 per user per month, billed yearly.", "privacy") == "pricing"


def test_what_changed_weighs_more_than_the_clause_around_it() -> None:
    around = ("equal", "Your liability and any dispute over fees: "), ("insert", "uptime")
    assert classification(section="", ops=around, page_kind="other").category == "sla"


def test_the_heading_counts_where_the_words_say_nothing() -> None:
    assert category("It is now 30 of them.", section="Service credits") == "sla"


def test_the_answer_names_the_words_strongest_first() -> None:
    result = classification(section="", ops=[("insert", "Encrypted by secure means")], page_kind="other")
    assert result == Classification(category="security", topic="Encryption", words=("encrypted", "secure"))


def test_a_phrase_is_a_whole_word_whatever_its_hyphen() -> None:
    for text in ("sub-processors", "Subprocessor", "SUB PROCESSORS"):
        assert category(text) == "subprocessor", text
    assert classification(section="", ops=[("insert", "feel coffee slants")], page_kind="other").words == ()


def test_no_phrase_is_read_across_what_did_not_change() -> None:
    steps = ("insert", "service"), ("equal", " of a church "), ("insert", "credits")
    assert classification(section="", ops=steps, page_kind="other").topic != "Service credits"


def test_a_finding_keeps_category_and_reason() -> None:
    finding = Finding(
        section="",
        summary="s",
        before="",
        after="x",
        ops=(("insert", "x"),),
        materiality="minor",
        because=(),
        citations=(),
    )
    [quiet] = classify([finding], page_kind="sla")
    assert (quiet.category, quiet.category_because) == ("sla", ("page kind sla",))


def test_every_category_has_rules_and_every_rule_a_weight_that_counts() -> None:
    assert {rule.category for rule in RULES} == {"data", "pricing", "subprocessor", "terms", "sla", "security"}
    assert all(1 <= rule.weight <= 5 and rule.topic for rule in RULES)
