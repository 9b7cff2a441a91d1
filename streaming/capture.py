"""From Django's model signals to events: runs the rules that the project's `streams.py` modules declare.

Connected without `sender`, so that proxies and inherited models are seen too. A rule's function gets the instance, or
a fresh row where the instance may not say what was written (`update_fields`, deferred fields, expressions). "On change
of these fields" compares with the row as it was, read under its lock before the write: remembered state would announce
a change twice, or not at all, when two writers meet. Rows loaded with `raw=True` (fixtures) emit nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import signals

from streaming import revocation
from streaming.core.event import Announcement
from streaming.core.stream import Rule, registry
from streaming.outbox import emit_many

logger = logging.getLogger("streaming.capture")

_BEFORE = "_streaming_before"


def connect() -> None:
    """Connect the signals; `post_delete` only where a rule needs it, because a listener slows every bulk delete."""
    signals.pre_save.connect(_before_save, dispatch_uid="streaming.capture")
    signals.post_save.connect(_after_save, dispatch_uid="streaming.capture")
    connect_deletes()


def connect_deletes() -> None:
    """Connect `post_delete` of every model that has a rule for it."""
    for model in apps.get_models(include_auto_created=True):
        if _rules(model, "delete"):
            signals.post_delete.connect(_after_delete, sender=model, dispatch_uid="streaming.capture")


def created(model: type[models.Model], rows: Sequence[models.Model], *, using: str) -> None:
    """Emit for rows that were inserted in bulk, in their order."""
    revocation.granted(model, rows)
    rules = [rule for rule in _rules(model, "save") if rule.created is not False]
    announcements: list[tuple[str, Announcement]] = []
    for row in rows:
        announcements += _made(rules, _settled(row, using) if _unsettled(row) else row)
    if announcements:
        emit_many(announcements, using=using)


def announces(model: type[models.Model], field: str) -> bool:
    """Say whether anybody is told when this field of an existing row changes."""
    if revocation.grants_of(model):
        return True
    changes = [rule for rule in _rules(model, "save") if rule.created is not True]
    return any(not rule.on_change or field in rule.on_change for rule in changes)


def _rules(model: type[models.Model], signal: str) -> list[Rule]:
    concrete = model._meta.concrete_model or model
    lineage = {concrete, *concrete._meta.get_parent_list()} | set(model.__mro__)
    if signal == "delete":
        # A child's parents are rows of their own: Django sends their post_delete too, and it would be told twice.
        lineage -= set(concrete._meta.get_parent_list())
    return [
        rule
        for rule in registry.rules
        if rule.signal == signal and (rule.model in lineage or rule.model._meta.concrete_model is concrete)  # type: ignore[attr-defined]
    ]


def _before_save(sender: type[models.Model], instance: models.Model, raw: bool, using: str, **_: Any) -> None:
    """Read, under the row's lock, what the rules will compare with."""
    names = sorted({name for rule in _rules(sender, "save") for name in rule.on_change})
    if not names or raw:
        return
    before = None
    if instance.pk is not None:
        rows = sender._base_manager.using(using).filter(pk=instance.pk)
        before = rows.select_for_update(no_key=True).values(*names).first()
    instance.__dict__[_BEFORE] = before


def _after_save(
    sender: type[models.Model],
    instance: models.Model,
    created: bool,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None,
    **_: Any,
) -> None:
    rules = _rules(sender, "save")
    if not rules:
        return
    before = instance.__dict__.pop(_BEFORE, None)
    if raw:
        logger.warning("%s was loaded raw and announces nothing", sender._meta.label, extra={"pk": instance.pk})
        return
    fresh = update_fields is not None or _unsettled(instance)
    row = _settled(instance, using) if fresh else instance
    applying = [rule for rule in rules if _applies(rule, row, before, created=created)]
    announcements = _made(applying, row)
    if announcements:
        emit_many(announcements, using=using)


def _after_delete(sender: type[models.Model], instance: models.Model, using: str, **_: Any) -> None:
    announcements = _made(_rules(sender, "delete"), instance)
    if announcements:
        emit_many(announcements, using=using)


def _applies(rule: Rule, row: models.Model, before: dict[str, Any] | None, *, created: bool) -> bool:
    if rule.created is not None and rule.created is not created:
        return False
    if created or not rule.on_change:
        return True
    return before is None or any(before[name] != _value(row, name) for name in rule.on_change)


def _value(row: models.Model, name: str) -> Any:
    """Return a field's value as the database would give it back, so that "5" and 5 are no change."""
    field: Any = row._meta.get_field(name)
    return field.to_python(getattr(row, field.attname))


def _made(rules: Iterable[Rule], row: models.Model) -> list[tuple[str, Announcement]]:
    made = ((rule, rule.make(row)) for rule in rules)
    return [(rule.org(row), Announcement.of(event, resource=str(row.pk))) for rule, event in made if event is not None]


def _unsettled(instance: models.Model) -> bool:
    """Say whether the instance holds less, or other, than what the database now has."""
    return bool(instance.get_deferred_fields()) or any(
        hasattr(value, "resolve_expression") for value in instance.__dict__.values()
    )


def _settled(instance: models.Model, using: str) -> models.Model:
    return type(instance)._base_manager.using(using).get(pk=instance.pk)
