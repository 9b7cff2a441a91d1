"""The verdict over findings and policies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from redline.monitoring.pipeline.finding import Finding, Materiality
from redline.monitoring.pipeline.policy import PolicyRule, Route, severity

RETENTION = Finding(
    section="Retention",
    summary="Retention: “90 days” became “30 days”",
    before="We keep data for 90 days.",
    after="We keep data for 30 days.",
    ops=(("equal", "We keep data for"), ("delete", " 90"), ("insert", " 30"), ("equal", " days.")),
    materiality="material",
    because=("an amount changed",),
    citations=(),
    category="data",
    category_because=("retention",),
)
WORDING = replace(
    RETENTION, summary="“glad” became “happy”", materiality="minor", category="terms", because=("the wording changed",)
)
SLACK = Route(kind="slack", target="https://hooks.example/1")
MAIL = Route(kind="email", target="legal@customer.example")
DATA_P1 = PolicyRule(id="pol_1", name="Data", severity="P1", categories=frozenset({"data"}), routes=(SLACK, MAIL))


@pytest.mark.parametrize(("materiality", "expected"), [("material", "P2"), ("minor", "P3"), ("cosmetic", "P3")])
def test_without_a_policy_only_material_is_p2(materiality: Materiality, expected: str) -> None:
    verdict = severity([replace(RETENTION, materiality=materiality)], [])
    assert (verdict.severity, verdict.policy_ids, verdict.routes) == (expected, (), ())
    assert verdict.why.startswith(f"{expected} because no policy matches")


def test_the_highest_severity_that_matches_wins_and_all_that_match_are_told() -> None:
    quiet = PolicyRule(
        id="pol_2", name="All", severity="P3", routes=(MAIL, Route(kind="jira", target="https://j.example"))
    )
    verdict = severity([RETENTION], [quiet, DATA_P1])
    assert (verdict.severity, verdict.policy_ids) == ("P1", ("pol_2", "pol_1"))
    assert [route.kind for route in verdict.routes] == ["email", "jira", "slack"]
    assert verdict.why == "P1 by policy “Data”: material change in category data (an amount changed)"


def test_a_policy_may_lower_what_would_be_p2() -> None:
    assert severity([RETENTION], [replace(DATA_P1, severity="P3")]).severity == "P3"


def test_a_quiet_policy_on_one_clause_does_not_hush_another() -> None:
    prices = replace(RETENTION, category="pricing", summary="Price: “$10” became “$12”")
    verdict = severity([RETENTION, prices], [replace(DATA_P1, severity="P3")])
    assert (verdict.severity, verdict.headline) == ("P2", "Price: “$10” became “$12”, and 1 more change")


@pytest.mark.parametrize(
    "policy",
    [
        replace(DATA_P1, categories=frozenset({"pricing", "sla"})),
        replace(DATA_P1, keywords=("cookies", "feed")),
        replace(DATA_P1, keywords=("dat",)),
        replace(DATA_P1, keywords=("  ",)),
    ],
)
def test_a_policy_that_asks_for_something_else_does_not_match(policy: PolicyRule) -> None:
    assert severity([RETENTION], [policy]).policy_ids == ()


def test_a_policy_asks_for_a_least_materiality() -> None:
    policy = PolicyRule(id="pol_1", name="Minor", severity="P1", materiality="minor")
    by_materiality = [
        severity([replace(WORDING, materiality=materiality)], [policy]).severity
        for materiality in ("cosmetic", "minor", "material")
    ]
    assert by_materiality == ["P3", "P1", "P1"]


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("sub-processor", "New Subprocessors are listed."),
        ("subprocessor", "One subprocessor."),
        ("data centre", "In two data-centres."),
        ("§ 28 BDSG", "Under § 28 BDSG."),
        ("C++", "Written in C++."),
    ],
)
def test_keywords_match_any_case_hyphen_and_plural(keyword: str, text: str) -> None:
    verdict = severity([replace(WORDING, after=text)], [replace(DATA_P1, categories=frozenset(), keywords=(keyword,))])
    assert verdict.severity == "P1"
    assert f"keyword “{keyword}”" in verdict.why


def test_the_headline_is_the_heaviest_finding_and_counts_the_others() -> None:
    verdict = severity([WORDING, RETENTION, WORDING], [])
    assert verdict.headline == "Retention: “90 days” became “30 days”, and 2 more changes"


def test_the_recommendation_is_the_deciding_policys_own_else_the_categorys() -> None:
    own = replace(DATA_P1, recommendation="Call the privacy officer.")
    assert severity([RETENTION], [own]).recommendation == "Call the privacy officer."
    assert "data protection agreement" in severity([RETENTION], []).recommendation
    assert severity([replace(WORDING, materiality="cosmetic")], []).recommendation.startswith("No action needed")


def test_nothing_is_no_verdict() -> None:
    with pytest.raises(ValueError, match="nothing to judge"):
        severity([], [DATA_P1])
