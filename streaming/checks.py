"""System checks: declarations and settings that would lose or invent events, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.db import connections, models

from streaming import capture, conf
from streaming.core.stream import registry
from streaming.models import StreamedManager, StreamedModel


@checks.register("streaming")
def check_database(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """The log needs a database whose locks and transactions it knows."""
    connection = connections[conf.streaming.DATABASE]
    if connection.vendor == "postgresql":
        return []
    if connection.vendor != "sqlite":
        return [checks.Error(f"streaming cannot keep its log in {connection.vendor}.", hint=_USE, id="streaming.E001")]
    options = settings.DATABASES[conf.streaming.DATABASE].get("OPTIONS", {})
    if options.get("transaction_mode") != "IMMEDIATE":
        return [
            checks.Error(
                "SQLite without IMMEDIATE transactions fails under concurrent writers, and the sequencer has no lock.",
                hint='Set OPTIONS["transaction_mode"] = "IMMEDIATE" and journal_mode=WAL.',
                id="streaming.E002",
            )
        ]
    return []


_USE = "Use PostgreSQL, or SQLite for one host."


@checks.register("streaming")
def check_models(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Every model that a rule watches leaves no silent path."""
    watched = {rule.model for rule in registry.rules}
    found: list[checks.CheckMessage] = []
    for model in sorted(watched, key=lambda model: model.__name__):
        found += _check_model(model)
    return found


def _check_model(model: Any) -> Iterator[checks.CheckMessage]:
    if not issubclass(model, StreamedModel):
        yield checks.Error(
            f"{model._meta.label} is announced by a stream but is no StreamedModel: its events would not be atomic.",
            hint="Derive it from streaming.StreamedModel.",
            obj=model,
            id="streaming.E003",
        )
        return
    for name in ("_default_manager", "_base_manager"):
        if not isinstance(getattr(model, name), StreamedManager):
            yield checks.Error(
                f"{model._meta.label}.{name} could change rows without an event.",
                hint="Derive its manager from StreamedModel.objects' class and keep Meta.base_manager_name.",
                obj=model,
                id="streaming.E004",
            )
    for field in model._meta.get_fields():
        action = getattr(getattr(field, "remote_field", None), "on_delete", None)
        if isinstance(field, models.ForeignKey) and action in _SILENT and capture.announces(model, field.name):
            yield checks.Error(
                f"{model._meta.label}.{field.name} is announced, and deleting what it points to changes it silently.",
                hint="Use CASCADE, PROTECT or RESTRICT, and let a service write the change.",
                obj=model,
                id="streaming.E005",
            )


_SILENT = (models.SET_NULL, models.SET_DEFAULT)


@checks.register("streaming", deploy=True)
def check_deploy(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """What is fine on a laptop and nowhere else."""
    found: list[checks.CheckMessage] = []
    if conf.streaming.SIMPLE_MODE:
        found.append(
            checks.Error("SIMPLE_MODE lets anybody be any user.", hint="Unset SIMPLE_MODE.", id="streaming.E010")
        )
    return found
