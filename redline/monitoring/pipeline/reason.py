"""Turns changes into findings: a sentence, a weight, and the place to look it up.

Material is what a signal of the table in `signals` tells apart, and on a list of sub-processors every name; cosmetic is
what changes only case and punctuation; the rest is minor. Promises: each change makes one finding, in order; summaries
quote the page and add nothing; citations carry verbatim words, cut at a word at most. No clock and no network: the
instants come with the pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from redline.monitoring.pipeline.classify import classification
from redline.monitoring.pipeline.compare import Change
from redline.monitoring.pipeline.document import CELL_SEPARATOR, words
from redline.monitoring.pipeline.finding import Citation, Finding, Materiality, PageKind, instant
from redline.monitoring.pipeline.ops import Op
from redline.monitoring.pipeline.signals import Signal, fired

_LONGEST_QUOTE = 90
_LONGEST_CITATION = 600
_CONTEXT_WORDS = 5
# Edits with so few words between them read as one.
_NEAR = 2
# What stands without a space behind a changed word belongs to it: `99.9` is shown as `99.9%`.
_GLUED = re.compile(r"[^\s]*")
_UNIT = re.compile(
    r"\s(?:(?:business|calendar|working|full)\s)?(?:percent|days?|weeks?|months?|quarters?|years?|hours?|minutes?|seconds?"
    r"|users?|seats?|requests?|times|cop(?:y|ies)|euros?|dollars?|pounds?|[KMGTP]i?B)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edit:
    """One stretch that changed, and the words of the clause around it."""

    before: str
    after: str
    lead: str
    tail: str


def reason(
    changes: Iterable[Change],
    *,
    url: str,
    fetched_at: datetime,
    previous_fetched_at: datetime | None = None,
    page_kind: PageKind = "other",
) -> list[Finding]:
    """One finding a change. What was removed is cited as of `previous_fetched_at`, where that is known."""
    old_at = instant(previous_fetched_at or fetched_at)
    return [_finding(change, url=url, at=instant(fetched_at), old_at=old_at, page_kind=page_kind) for change in changes]


def _finding(change: Change, *, url: str, at: str, old_at: str, page_kind: PageKind) -> Finding:
    signals = fired(change.before, change.after)
    materiality, because = _weight(change, signals, page_kind)
    sides = ((change.after, at),) if change.after else ((change.before, old_at),)
    return Finding(
        section=change.section,
        summary=_summary(change, signals, page_kind),
        before=change.before,
        after=change.after,
        ops=change.ops,
        materiality=materiality,
        because=because,
        citations=tuple(
            Citation(quote=_cut(text, _LONGEST_CITATION), section=change.section, url=url, fetchedAt=when)
            for text, when in sides
        ),
    )


def _weight(change: Change, signals: Sequence[Signal], page_kind: PageKind) -> tuple[Materiality, tuple[str, ...]]:
    if signals:
        return "material", tuple(signal.name for signal in signals)
    if _folded(change.before) == _folded(change.after):
        return "cosmetic", ("only case and punctuation changed",)
    if page_kind == "subprocessors" and _names(change.before) != _names(change.after):
        return "material", ("a name on the list of sub-processors changed",)
    return "minor", ("the wording changed",)


def _folded(text: str) -> str:
    """The letters and digits alone: `sub-processor`, `Subprocessor` and `sub processor` are one."""
    return "".join(char for word in words(text) for char in word.casefold() if char.isalnum())


def _names(text: str) -> list[str]:
    return [word for word in words(text) if word[0].isupper()]


def _summary(change: Change, signals: Sequence[Signal], page_kind: PageKind) -> str:
    topic = classification(section=change.section, ops=change.ops, page_kind=page_kind).topic
    where = f" in section {_cut(change.section, _LONGEST_QUOTE)}" if change.section else ""
    told = _told(change, signals) + where
    return f"{topic}: {told}" if topic else told[0].upper() + told[1:]


def _told(change: Change, signals: Sequence[Signal]) -> str:
    if not change.before:
        return f"{_quoted(change.after)} is new"
    if not change.after:
        return f"{_quoted(change.before)} was removed"
    edits = _edits(change.ops)
    if not edits:
        return "the wording was rearranged"
    more = f" (and {len(edits) - 1} more edit{'s' * (len(edits) > 2)})" if len(edits) > 1 else ""
    return _edit_told(max(edits, key=lambda edit: _rank(edit, signals))) + more


def _edit_told(edit: _Edit) -> str:
    if edit.before and edit.after:
        return f"{_quoted(edit.before)} became {_quoted(edit.after)}"
    verb, words_changed = ("was added", edit.after) if edit.after else ("was removed", edit.before)
    if edit.lead:
        return f"{_quoted(words_changed)} {verb} after {_quoted(edit.lead)}"
    return f"{_quoted(words_changed)} {verb} before {_quoted(edit.tail)}"


def _rank(edit: _Edit, signals: Sequence[Signal]) -> int:
    """The weight of the heaviest signal that this very edit trips."""
    return max(
        (signal.weight for signal in signals if signal.found(edit.before) != signal.found(edit.after)), default=0
    )


def _edits(ops: Sequence[Op]) -> list[_Edit]:
    """The stretches that changed; near ones joined, whole words, a number kept with its unit."""
    edits: list[_Edit] = []
    lead = ""
    for before, after, equal in _joined(ops):
        if before or after:
            spaced = (before or after)[:1].isspace() and (after or before)[:1].isspace()
            head = "" if spaced else lead[len(lead.rstrip()) :] or lead.split(" ")[-1]
            tail = _GLUED.match(equal)[0]  # type: ignore[index]
            unit = _UNIT.match(equal[len(tail) :]) if _ends_in_number(before + tail, after + tail) else None
            tail += unit[0] if unit else ""
            sides = f"{head}{before}{tail}".strip(), f"{head}{after}{tail}".strip()
            trimmed = sides[0].rstrip(".,;:"), sides[1].rstrip(".,;:")
            before_shown, after_shown = sides if trimmed[0] == trimmed[1] else trimmed
            around = " ".join(lead.split()[-_CONTEXT_WORDS:]), " ".join(equal.split()[:_CONTEXT_WORDS])
            edits.append(_Edit(before=before_shown, after=after_shown, lead=around[0], tail=around[1]))
        lead = equal or lead
    return edits


def _ends_in_number(*texts: str) -> bool:
    return any(text.rstrip("%").rstrip()[-1:].isdigit() for text in texts)


def _joined(ops: Sequence[Op]) -> list[tuple[str, str, str]]:
    """The ops as (deleted, inserted, then equal), with equal stretches of a word or two taken into the edits."""
    steps: list[tuple[str, str, str]] = [("", "", "")]
    for index, (kind, text) in enumerate(ops):
        before, after, equal = steps[-1]
        inside = 0 < index < len(ops) - 1
        if kind == "equal" and inside and len(text.split()) <= _NEAR and "\n" not in text:
            steps[-1] = (before + text, after + text, "")
        elif kind == "equal":
            steps[-1] = (before, after, text)
        elif equal:
            steps.append((text, "", "") if kind == "delete" else ("", text, ""))
        else:
            steps[-1] = (before + text, after, "") if kind == "delete" else (before, after + text, "")
    return steps


def _quoted(text: str) -> str:
    return f"“{_cut(text.replace(CELL_SEPARATOR, ', '), _LONGEST_QUOTE)}”"


def _cut(text: str, longest: int) -> str:
    text = " ".join(text.split())
    if len(text) <= longest:
        return text
    return text[:longest].rsplit(" ", 1)[0].rstrip(" ,;:") + " …"
