"""Which category a finding belongs to, by the table in `rules`, and which words decided.

Every rule that finds a phrase gives its weight, times where it found it: in what changed, in the heading, in the clause
around it. The page's kind gives its points beforehand. Promises: the same finding always gets the same answer, and the
answer names its words. With nothing to go by, a page of no kind is about `terms`.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from redline.monitoring.pipeline.finding import Category, Finding, PageKind
from redline.monitoring.pipeline.ops import Op
from redline.monitoring.pipeline.rules import CHANGED, CLAUSE, HEADING, PRIORS, RULES, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The category, the topic of its strongest rule ("" if none spoke), and the words, strongest first."""

    category: Category
    topic: str
    words: tuple[str, ...]


def classify(findings: Iterable[Finding], *, page_kind: PageKind) -> list[Finding]:
    """The findings with category and reasons."""
    return [_classified(finding, page_kind) for finding in findings]


def classification(*, section: str, ops: Iterable[Op], page_kind: PageKind) -> Classification:
    """Weigh one change by every rule."""
    return _weighed(section, tuple(ops), page_kind)


# `reason` asks for the topic and `classify` for the category of the same change; a rewritten page has hundreds.
@functools.lru_cache(maxsize=1024)
def _weighed(section: str, ops: tuple[Op, ...], page_kind: PageKind) -> Classification:
    zones = _zones(section, ops)
    scores: dict[Category, int] = defaultdict(int)
    votes: list[tuple[int, Rule, tuple[str, ...]]] = []
    if prior := PRIORS.get(page_kind):
        scores[prior[0]] += prior[1]
    for rule in RULES:
        points, found = _points(rule, zones)
        if points:
            scores[rule.category] += points
            votes.append((points, rule, found))
    # On a tie the category that the table names first wins; dicts and sorting keep their order.
    category: Category = max(scores, key=scores.__getitem__) if scores else "terms"
    chosen = sorted((vote for vote in votes if vote[1].category == category), key=lambda vote: -vote[0])
    return Classification(
        category=category,
        topic=chosen[0][1].topic if chosen else "",
        words=tuple(dict.fromkeys(word for _, _, found in chosen for word in found)),
    )


def _classified(finding: Finding, page_kind: PageKind) -> Finding:
    result = classification(section=finding.section, ops=finding.ops, page_kind=page_kind)
    reasons = result.words or (f"page kind {page_kind}",)
    return replace(finding, category=result.category, category_because=reasons)


def _zones(section: str, steps: tuple[Op, ...]) -> tuple[tuple[int, str], ...]:
    # A gap between changed pieces, so that no phrase is read across what stands between them.
    changed = " … ".join(text for step, text in steps if step != "equal")
    if not any(step == "equal" for step, _ in steps):
        return (CHANGED, changed), (HEADING, section)
    old = "".join(text for step, text in steps if step != "insert")
    new = "".join(text for step, text in steps if step != "delete")
    return (CHANGED, changed), (HEADING, section), (CLAUSE, f"{old} … {new}")


def _points(rule: Rule, zones: Iterable[tuple[int, str]]) -> tuple[int, tuple[str, ...]]:
    """The rule's points by the best zone it speaks in, and the words found there."""
    for factor, text in zones:
        if found := rule.found(text):
            return factor * rule.weight, found
    return 0, ()
