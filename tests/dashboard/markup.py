"""What a page would run or load, read from its markup as a browser reads it."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any


class Markup(HTMLParser):
    """`inline` is whatever a strict policy forbids; `files` what the page loads; `data` its JSON blocks by id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.files: list[str] = []
        self.data: dict[str, Any] = {}
        self.ids: list[str] = []
        self.labels: set[str] = set()
        self._block: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.inline += [f"{tag} {name}" for name in values if name == "style" or name.startswith("on")]
        self.inline += [
            f"{tag} {value}" for value in values.values() if value.strip().lower().startswith("javascript:")
        ]
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "label" and "for" in values:
            self.labels.add(values["for"])
        if tag == "style" or (tag == "script" and "src" not in values and values.get("type") != "application/json"):
            self.inline.append(tag)
        if tag == "script" and "src" in values:
            self.files.append(values["src"])
        if tag == "link":
            self.files.append(values["href"])
        self._block = values.get("id") if tag == "script" and values.get("type") == "application/json" else None

    def handle_data(self, data: str) -> None:
        if self._block:
            self.data[self._block] = json.loads(data)
            self._block = None
