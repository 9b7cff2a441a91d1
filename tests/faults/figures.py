"""What a scenario was asked, what it measured, and whether that is good enough; and the table of it all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.acceptance.history import Anomaly, Word


@dataclass(frozen=True, kw_only=True)
class Figure:
    asked: str
    measured: str
    good: bool


def at_most(what: str, value: float, limit: float, unit: str = "s") -> Figure:
    return Figure(asked=f"{what} ≤ {limit:g} {unit}", measured=f"{value:.3g} {unit}", good=value <= limit)


def at_least(what: str, value: float, limit: float) -> Figure:
    return Figure(asked=f"{what} ≥ {limit:g}", measured=f"{value:g}", good=value >= limit)


def none(what: str, number: int, *, told: str = "") -> Figure:
    return Figure(asked=f"0 {what}", measured=f"{number}{told and f': {told}'}", good=not number)


def clean(anomalies: Iterable[Anomaly]) -> Figure:
    """Return the checker's verdict: nothing lost, doubled, out of order …, with what there was of each."""
    found = list(anomalies)
    counts = {word: sum(one.word is word for one in found) for word in Word}
    told = ", ".join(f"{count} {word.value}" for word, count in counts.items() if count)
    first = f" ({found[0].sentence})" if found else ""
    return Figure(
        asked="0 lost, 0 duplicate, 0 out of order, 0 of any other word",
        measured=f"{told or '0'}{first}",
        good=not found,
    )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    scenario: str
    seed: int
    seconds: float
    figures: tuple[Figure, ...]

    @property
    def good(self) -> bool:
        return all(figure.good for figure in self.figures)


def table(verdicts: Iterable[Verdict]) -> str:
    """Return the table in Markdown, columns aligned so that it reads in a terminal too."""
    rows = [("scenario", "asked", "measured", "verdict")]
    for verdict in verdicts:
        name = f"{verdict.scenario} (seed {verdict.seed}, {verdict.seconds:.0f} s)"
        for figure in verdict.figures:
            rows.append((name, figure.asked, figure.measured, "yes" if figure.good else "NO"))
            name = ""
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "|".join(["", *("-" * (width + 2) for width in widths), "---------", ""]))
    return "\n".join(lines)


def _line(row: tuple[str, str, str, str], widths: list[int]) -> str:
    cells = [text.ljust(width) for text, width in zip(row, [*widths, 7], strict=True)]
    return f"| {' | '.join(cells)} |"
