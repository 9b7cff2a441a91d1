"""When which page is edited: one edit every few seconds, the pages in turn.

A function of the seconds since the start and nothing else, so that a fresh demo tells the same story each time.
`begun` is what the pages had come to before: a demo that is started again carries on where its readers left it,
rather than take back everything that they have been told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from redline.demo.page import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """`first` and `every` are seconds from the start to the first edit, and from each to the next."""

    pages: tuple[Page, ...]
    first: float = 12.0
    every: float = 15.0
    begun: Mapping[str, int] = field(default_factory=dict)

    def revision(self, page: Page, *, elapsed: float) -> int:
        """Return how many edits a page has seen, those of former starts included."""
        return self.begun.get(page.path, 0) + self._edits(page, elapsed)

    def edited_at(self, page: Page, *, elapsed: float) -> float | None:
        """Return when a page was last edited, in seconds from the start; None if not since then."""
        edits = self._edits(page, elapsed)
        if not edits:
            return None
        return self.first + self.every * (self.pages.index(page) + len(self.pages) * (edits - 1))

    def _edits(self, page: Page, elapsed: float) -> int:
        of_all = int((elapsed - self.first) // self.every) + 1
        return max(0, (of_all - self.pages.index(page) - 1) // len(self.pages) + 1)
