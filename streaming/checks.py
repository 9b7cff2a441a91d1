"""System checks: declarations and settings that would lose or invent events, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.db import connections, models

from streaming import capture, conf
from streaming.core.stream import registry
from streaming.deployment import database, layer, site
from streaming.models import StreamedManager, StreamedModel


@checks.register("streaming")
def check_database(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """The log needs a database whose locks and transactions it knows."""
    connection = connections[conf.streaming.DATABASE]
    if connection.vendor == "postgresql":
        return []
    if connection.vendor != "sqlite":
        return [checks.Error(f"streaming cannot keep its log in {connection.vendor}.", hint=_USE, id="streaming.E001")]
    options = connection.settings_dict["OPTIONS"]
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
    watched = {rule.model for rule in registry.rules} | {grant.model for grant in registry.grants}
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


@checks.register("streaming")
def check_json_web_tokens(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Whoever takes tokens says from whom and for whom, and has the keys from where nobody can replace them."""
    chosen = conf.streaming
    if not (chosen.JWT_SECRET or chosen.JWT_JWKS_URL):
        return []
    found: list[checks.CheckMessage] = []
    if not (chosen.JWT_ISSUER and chosen.JWT_AUDIENCE):
        found.append(
            checks.Error(
                "Without JWT_ISSUER and JWT_AUDIENCE no JSON Web Token is taken.",
                hint="Set them to what the issuer of your tokens writes into `iss` and `aud`.",
                id="streaming.E006",
            )
        )
    keys = urlsplit(chosen.JWT_JWKS_URL)
    if keys.scheme == "http" and not settings.DEBUG and keys.hostname not in ("localhost", "127.0.0.1", "::1"):
        found.append(
            checks.Error(
                "The keys of JSON Web Tokens come without TLS: whoever stands between may send his own.",
                hint="Use an https:// address as JWT_JWKS_URL.",
                id="streaming.E007",
            )
        )
    return found


@checks.register("streaming")
def check_apps(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Of two apps with a `runserver` the first one's is taken."""
    names = [one.name for one in apps.get_app_configs()]
    if "daphne" in names and names.index("daphne") < names.index("streaming"):
        return [
            checks.Error(
                "daphne stands before streaming in INSTALLED_APPS, and its runserver has no back-pressure.",
                hint='Put "streaming" first.',
                id="streaming.E008",
            )
        ]
    return []


@checks.register("streaming", deploy=True)
def check_deployment(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """What is fine on a laptop and nowhere else."""
    return [rule.message() for rule in (*site.RULES, *layer.RULES, *database.RULES) if rule.wrong()]
