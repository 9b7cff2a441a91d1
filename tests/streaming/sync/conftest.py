"""For the sync rooms' tests: orgs that nobody used, rows of the product, models that inherit, room for more threads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import signals
from pytest_django.fixtures import Settings

from redline.monitoring.models import Vendor
from redline.workspaces.models import Org, Role, User
from redline.workspaces.services import ensure_org, ensure_user
from streaming import Stream, capture
from streaming.core.stream import registry
from tests.people import settle
from tests.streaming.sync.sample import new_org
from tests.streaming.sync.shelf.events import ItemChanged, ItemGone, ItemMade, ItemRenamed, ItemSaved


@pytest.fixture
def org() -> str:
    """Return the key of an org that has no row: the log needs none."""
    return new_org()


@dataclass(frozen=True, kw_only=True)
class House:
    """An org of the product with a vendor and one user of each role."""

    org: Org
    vendor: Vendor
    users: dict[str, User]


@pytest.fixture
def house(db: None) -> House:
    org = ensure_org("acme")
    users = {}
    for role in Role:
        users[role.value] = ensure_user(f"{role.value}@example.org")
        settle(org.pk, users[role.value].pk, role)
    vendor = Vendor.objects.create(org=org, name="Vendor", homepage_url="https://vendor.example/")
    return House(org=org, vendor=vendor, users=users)


@pytest.fixture
def shelf(transactional_db: None, settings: Settings) -> Iterator[Any]:
    """Install the app of inheriting models, with a stream that has one rule of each kind."""
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "tests.streaming.sync.shelf"]
    from tests.streaming.sync.shelf.models import Book, Guest, Item, Leaflet, Reader, Shelf

    stream = Stream("test-shelf", path="test/shelf")

    @stream.on_save(Item)
    def saved(item: Any) -> ItemSaved:
        return ItemSaved(label=item.label, turn=item.turn)

    @stream.on_save(Item, created=True)
    def made(item: Any) -> ItemMade:
        return ItemMade(label=item.label)

    @stream.on_save(Item, created=False)
    def changed(item: Any) -> ItemChanged:
        return ItemChanged(label=item.label)

    @stream.on_save(Item, on_change=["label"])
    def renamed(item: Any) -> ItemRenamed | None:
        return ItemRenamed(label=item.label) if item.label != "secret" else None

    @stream.on_delete(Item)
    def gone(item: Any) -> ItemGone:
        return ItemGone(label=item.label)

    capture.connect_deletes()
    with connection.schema_editor() as editor:
        for model in (Shelf, Item, Book, Guest):
            editor.create_model(model)
    yield SimpleNamespace(Shelf=Shelf, Item=Item, Book=Book, Leaflet=Leaflet, Reader=Reader, Guest=Guest, stream=stream)
    with connection.schema_editor() as editor:
        for model in (Guest, Book, Item, Shelf):
            editor.delete_model(model)
    for model in (Item, Book, Leaflet):
        signals.post_delete.disconnect(sender=model, dispatch_uid="streaming.capture")
    registry.forget(stream)


@pytest.fixture
def many_connections(transactional_db: None) -> Iterator[None]:
    """Let more threads than the pool has places have a connection each."""
    options = connection.settings_dict["OPTIONS"]
    if connection.vendor != "postgresql":
        yield
        return
    usual = options["pool"]
    connections.close_all()
    connection.close_pool()
    options["pool"] = {**usual, "max_size": 20}
    yield
    connections.close_all()
    connection.close_pool()
    options["pool"] = usual
