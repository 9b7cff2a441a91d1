"""What can go wrong while a page is fetched, as a sentence for the run's record.

FetchError        refused, or failed, with a short reason
"""

from __future__ import annotations


class FetchError(Exception):
    """The page could not be fetched."""

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
