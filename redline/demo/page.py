"""A vendor's page and the edits that it goes through, one after the other, for ever.

A file in `published/` starts with `served: html|markdown`, `edits: a, b, …` and optionally `away: 25 of 80` (503 for
25 s of every 80 s), then a blank line and Markdown, in which `{{a: first || second || third}}` marks what edit `a`
changes. Revision n is the page after n edits, taken from the list in turn; each takes its passage to the next wording
and at last back to the first. The edit `markup` changes how the page is written and none of its words.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

PUBLISHED = Path(__file__).parent / "published"
MARKUP = "markup"

_PASSAGE = re.compile(r"\{\{(?P<edit>\w+):(?P<wordings>.*?)\}\}")
_PASSAGE_LINE = re.compile(rf"^{_PASSAGE.pattern}\n", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """When the page answers 503: `seconds` at the end of every `period`."""

    seconds: float
    period: float

    def covers(self, elapsed: float) -> bool:
        return elapsed % self.period >= self.period - self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of one vendor; `kind` is the product's, and the last part of its address."""

    vendor: str
    kind: str
    served: Literal["html", "markdown"]
    edits: tuple[str, ...]
    text: str
    away: Away | None = None

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a file of `published/<vendor>/<kind>.md`."""
        head, _, text = file.read_text(encoding="utf-8").partition("\n\n")
        fields = dict(line.split(": ", 1) for line in head.splitlines())
        return cls(
            vendor=file.parent.name,
            kind=file.stem,
            served="html" if fields["served"] == "html" else "markdown",
            edits=tuple(fields["edits"].split(", ")),
            text=text,
            away=_away(fields.get("away", "")),
        )

    @property
    def path(self) -> str:
        return f"/{self.vendor}/{self.kind}"

    @property
    def title(self) -> str:
        return self.text.partition("\n")[0].removeprefix("# ")

    def edit(self, revision: int) -> str:
        """Return the name of the edit that made this revision, from 1."""
        return self.edits[(revision - 1) % len(self.edits)]

    def markdown(self, revision: int) -> str:
        """Return the page's words at this revision."""
        done = Counter(self.edit(number + 1) for number in range(revision))

        def wording(passage: re.Match[str]) -> str:
            wordings = [text.strip() for text in passage["wordings"].split("||")]
            return wordings[done[passage["edit"]] % len(wordings)]

        def line(passage: re.Match[str]) -> str:
            # A row that is not there yet leaves no blank line, which would end the table.
            chosen = wording(passage)
            return f"{chosen}\n" if chosen else ""

        return _PASSAGE.sub(wording, _PASSAGE_LINE.sub(line, self.text))

    def dress(self, revision: int) -> int:
        """Return how often the markup has been changed by this revision."""
        return sum(self.edit(number + 1) == MARKUP for number in range(revision))


def _away(text: str) -> Away | None:
    seconds, _, period = text.partition(" of ")
    return Away(seconds=float(seconds), period=float(period)) if text else None
