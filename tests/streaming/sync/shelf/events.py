"""What is told about the shelf: one event for each kind of rule."""

from __future__ import annotations

from streaming import Event


class ItemSaved(Event, type="test.item.saved"):
    label: str
    turn: int


class ItemMade(Event, type="test.item.made"):
    label: str


class ItemChanged(Event, type="test.item.changed"):
    label: str


class ItemRenamed(Event, type="test.item.renamed"):
    label: str


class ItemGone(Event, type="test.item.gone"):
    label: str
