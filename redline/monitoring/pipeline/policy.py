"""What an organisation's policies make of findings: how urgent, why, who is told, what to do.

A policy matches a finding by category, materiality and keywords. Each finding takes the highest severity of the
policies that match it; where none does, material is P2 and the rest P3. The verdict is the highest of all its findings,
so a quiet policy about one clause cannot hush another. Every policy that matched has its routes used, whatever its
severity: it asked to be told. Refuses to judge nothing: no findings, no verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from redline.monitoring.pipeline.finding import MATERIALITIES, Category, Finding, Materiality, at_least

Severity = Literal["P1", "P2", "P3"]
RouteKind = Literal["slack", "jira", "email", "calendar", "payment"]

_RECOMMENDATIONS: dict[Category | Literal[""], str] = {
    "data": "Check the change against your data protection agreement and your record of processing.",
    "pricing": "Compare with your order form, and note the date from which the new price applies.",
    "subprocessor": "Assess the change within the objection period of your data processing agreement.",
    "terms": "Have the change read by whoever signed the contract.",
    "sla": "Check whether the service level that you rely on is still promised.",
    "security": "Ask your security owner whether the change affects your assessment of this vendor.",
}
_NOTHING_TO_DO = "No action needed; keep for the record."


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a policy sends its message: an address for e-mail, else a URL."""

    kind: RouteKind
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """One policy. Empty `categories` or `keywords` mean any; keywords match as whole words, plural included."""

    id: str
    name: str
    severity: Severity
    categories: frozenset[Category] = field(default_factory=frozenset)
    materiality: Materiality = "cosmetic"
    keywords: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    recommendation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is announced, and to whom. `policy_ids`: all that matched, in the order given."""

    severity: Severity
    policy_ids: tuple[str, ...]
    why: str
    headline: str
    recommendation: str
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Match:
    policy: PolicyRule
    keyword: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    finding: Finding
    severity: Severity
    matches: tuple[_Match, ...]


def severity(findings: Sequence[Finding], policies: Iterable[PolicyRule]) -> Verdict:
    """The verdict on the findings of one page. Raises `ValueError` without findings."""
    if not findings:
        raise ValueError("there is nothing to judge")
    rules = tuple(policies)
    judged = [_judge(finding, rules) for finding in findings]
    # `min` keeps the first of equals, so the headline is the heaviest finding in the page's own order.
    leading = min(judged, key=lambda one: (one.severity, -MATERIALITIES.index(one.finding.materiality)))
    matched = {match.policy.id for one in judged for match in one.matches}
    told = [policy for policy in rules if policy.id in matched]
    return Verdict(
        severity=leading.severity,
        policy_ids=tuple(policy.id for policy in told),
        why=_why(leading),
        headline=_headline(leading.finding, len(findings) - 1),
        recommendation=_recommendation(leading),
        routes=tuple(dict.fromkeys(route for policy in told for route in policy.routes)),
    )


def _judge(finding: Finding, policies: Iterable[PolicyRule]) -> _Judged:
    matches = tuple(match for policy in policies if (match := _match(policy, finding)))
    by_default: Severity = "P2" if finding.materiality == "material" else "P3"
    highest = min((match.policy.severity for match in matches), default=by_default)
    return _Judged(finding=finding, severity=highest, matches=matches)


def _match(policy: PolicyRule, finding: Finding) -> _Match | None:
    if policy.categories and finding.category not in policy.categories:
        return None
    if not at_least(finding.materiality, policy.materiality):
        return None
    if not policy.keywords:
        return _Match(policy=policy, keyword="")
    text = "\n".join((finding.section, finding.before, finding.after))
    found = next((keyword for keyword in policy.keywords if _mentions(text, keyword)), None)
    return None if found is None else _Match(policy=policy, keyword=found)


def _mentions(text: str, keyword: str) -> bool:
    """Whether the keyword stands in the text: any case, hyphen or space alike, plural included."""
    parts = [re.escape(part) for part in re.split(r"[\s-]+", keyword.strip()) if part]
    pattern = r"(?<!\w)" + r"[\s-]*".join(parts) + r"(?:e?s)?(?!\w)"
    return bool(parts) and re.search(pattern, text, re.IGNORECASE) is not None


def _deciding(judged: _Judged) -> _Match | None:
    return next((match for match in judged.matches if match.policy.severity == judged.severity), None)


def _why(judged: _Judged) -> str:
    finding = judged.finding
    facts = f"{finding.materiality} change in category {finding.category or 'terms'} ({', '.join(finding.because)})"
    decided = _deciding(judged)
    if decided is None:
        return f"{judged.severity} because no policy matches and this is a {facts}"
    keyword = f", keyword “{decided.keyword}”" if decided.keyword else ""
    return f"{judged.severity} by policy “{decided.policy.name}”: {facts}{keyword}"


def _headline(finding: Finding, others: int) -> str:
    more = f", and {others} more change{'s' * (others > 1)}" if others else ""
    return finding.summary + more


def _recommendation(judged: _Judged) -> str:
    decided = _deciding(judged)
    if decided is not None and decided.policy.recommendation:
        return decided.policy.recommendation
    return (
        _NOTHING_TO_DO
        if judged.finding.materiality == "cosmetic"
        else _RECOMMENDATIONS[judged.finding.category or "terms"]
    )
