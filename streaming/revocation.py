"""When rights change: an entry in the org's own log, committed with the change, that names whom it concerns.

The hub holds the streams of those users at that entry, looks their rights up anew, and lets them go on, narrowed or
widened, or ends them; nothing that comes later in the log is delivered to them under the old rights. Nothing about the
change itself is written down, so an entry that was not needed costs one look and can do no harm.

What changes rights: rows of the models that `streams.py` modules declare with `grants`, API tokens, the user's own row
(deactivated, another password, deleted) and his sign-out. What goes another way (an UPDATE by hand, a cache-backed
session that is dropped) is found by the re-check of every open stream, every 5 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import models, transaction
from django.db.models import signals
from django.utils import timezone

from streaming import access, conf, cookies, outbox
from streaming.core import wire
from streaming.core.stream import Grant, registry
from streaming.models import ApiToken, LogEntry, phrase

_UID = "streaming.revocation"
_BEFORE = "_streaming_rights_before"
_ORGS = "_streaming_rights_orgs"
_LOGIN_FIELDS = ("is_active", "password")


def recheck(org: str, users: Iterable[str] = ()) -> None:
    """Have the rights of these users' streams looked up anew from here in the log on; of everybody's, if none is named.

    Part of the caller's transaction where there is one: call it after the change.
    """
    recheck_many([org], users)


def recheck_many(orgs: Iterable[str], users: Iterable[str] = ()) -> None:
    alias = conf.streaming.DATABASE
    names = frozenset(users)
    # A name that is no word cannot be told in an audience; everybody has to be looked at then.
    audience = phrase(names) if all(name.split() == [name] for name in names) else ""
    # What is no org's key has no streams.
    keys = sorted(org for org in set(orgs) if wire.is_org(org))
    rows = [LogEntry(org=org, type=wire.RIGHTS, audience=audience, data="{}") for org in keys]
    if rows:
        with transaction.atomic(using=alias, savepoint=False):
            outbox.append(rows, alias)


def connect() -> None:
    """Connect the signals of everything that changes rights."""
    follow_users(get_user_model())
    for token in _family(ApiToken):
        signals.pre_save.connect(_keep, sender=token, dispatch_uid=_UID)
        signals.post_save.connect(_token_saved, sender=token, dispatch_uid=_UID)
        signals.post_delete.connect(_token_deleted, sender=token, dispatch_uid=_UID)
    engine = cookies.store()
    if issubclass(engine, DatabaseStore):
        signals.post_delete.connect(_session_deleted, sender=engine.get_model_class(), dispatch_uid=_UID)
    connect_grants()


def follow_users(model: type[models.Model]) -> None:
    """Connect a user model."""
    for user in _family(model):
        signals.pre_save.connect(_before_user, sender=user, dispatch_uid=_UID)
        signals.post_save.connect(_after_user, sender=user, dispatch_uid=_UID)
        signals.pre_delete.connect(_user_deleted, sender=user, dispatch_uid=_UID)


def connect_grants() -> None:
    """Connect the models by whose rows rights are granted."""
    for model in {one for grant in registry.grants for one in _family(grant.model)}:
        signals.pre_save.connect(_keep, sender=model, dispatch_uid=_UID)
        signals.post_save.connect(_after_grant, sender=model, dispatch_uid=_UID)
        signals.post_delete.connect(_grant_deleted, sender=model, dispatch_uid=_UID)


def _family(model: type[models.Model]) -> list[type[models.Model]]:
    """Return a model with its proxies and children: Django names the class that was saved, whatever its table."""
    return [one for one in apps.get_models(include_auto_created=True) if issubclass(one, _concrete(model))]


def _concrete(model: type[models.Model]) -> type[models.Model]:
    return model._meta.concrete_model or model


def grants_of(model: type[models.Model]) -> list[Grant]:
    """Return what rows of a model decide on."""
    return [grant for grant in registry.grants if issubclass(model, _concrete(grant.model))]


def granted(model: type[models.Model], rows: Iterable[models.Model]) -> None:
    """Announce rows that were inserted in bulk."""
    _announce(one for row in rows for one in _concerned(model, row))


# -- rows that grant -------------------------------------------------------------------------------------------------

Concerned = tuple[str, frozenset[str]]
"""An org, and the users whose rights there a row decides on; an empty set stands for everybody."""


def _concerned(model: type[models.Model], row: Any) -> Iterator[Concerned]:
    for grant in grants_of(model):
        org = grant.org(row)
        if org is not None:
            yield org, frozenset(grant.users(row))


def _announce(concerned: Iterable[Concerned]) -> None:
    by_org: dict[str, list[frozenset[str]]] = {}
    for org, users in concerned:
        by_org.setdefault(org, []).append(users)
    for org, sets in by_org.items():
        recheck(org, frozenset[str]().union(*sets) if all(sets) else ())


def _keep(sender: type[models.Model], instance: models.Model, raw: bool, using: str, **_: Any) -> None:
    """Keep the row as it was, read under its lock: it may go to another user or org, or be saved as it is."""
    if instance.pk is not None and not raw:
        rows = sender._base_manager.using(using).filter(pk=instance.pk)
        instance.__dict__[_BEFORE] = rows.select_for_update(no_key=True).first()


def _kept(instance: models.Model) -> Any:
    return instance.__dict__.pop(_BEFORE, None)


def _saved(sender: type[models.Model], instance: models.Model, using: str) -> Any:
    """Return the row as it is: the instance may hold what was not saved, or an expression."""
    return sender._base_manager.using(using).get(pk=instance.pk)


def _after_grant(sender: type[models.Model], instance: models.Model, raw: bool, using: str, **_: Any) -> None:
    before = _kept(instance)
    if raw:
        return
    after = _saved(sender, instance, using)
    if before is None:
        _announce(_concerned(sender, after))
    elif _values(before) != _values(after):
        _announce([*_concerned(sender, before), *_concerned(sender, after)])


def _values(row: models.Model) -> list[Any]:
    return [getattr(row, field.attname) for field in row._meta.concrete_fields]


def _grant_deleted(sender: type[models.Model], instance: models.Model, **_: Any) -> None:
    _announce(_concerned(sender, instance))


# -- tokens, users, sessions -----------------------------------------------------------------------------------------


def _token_saved(sender: type[models.Model], instance: ApiToken, raw: bool, using: str, **_: Any) -> None:
    before = _kept(instance)
    if before is None or raw:
        return  # nobody has opened a stream by it yet
    after = _saved(sender, instance, using)
    if _validity(before) != _validity(after):
        _announce((token.org, frozenset({str(token.user_id)})) for token in (before, after))


def _validity(token: ApiToken) -> tuple[object, ...]:
    return token.digest, token.user_id, token.org, token.expires_at, token.revoked_at


def _token_deleted(instance: ApiToken, **_: Any) -> None:
    recheck(instance.org, [str(instance.user_id)])


def _before_user(
    sender: type[models.Model], instance: Any, using: str, update_fields: frozenset[str] | None, **_: Any
) -> None:
    """Note the orgs of a user who will not be able to stream any longer; later his memberships may no longer count."""
    instance.__dict__[_ORGS] = frozenset()
    if instance.pk is None or (update_fields is not None and update_fields.isdisjoint(_LOGIN_FIELDS)):
        return
    before: Any = sender._base_manager.using(using).filter(pk=instance.pk).first()
    if before is None or not before.is_active:
        return
    if any(getattr(before, name) != getattr(instance, name) for name in _LOGIN_FIELDS):
        instance.__dict__[_ORGS] = _orgs_of(before)


def _after_user(instance: Any, **_: Any) -> None:
    recheck_many(instance.__dict__.pop(_ORGS, ()), [str(instance.pk)])


def _user_deleted(instance: Any, **_: Any) -> None:
    recheck_many(_orgs_of(instance), [str(instance.pk)])


def _session_deleted(instance: Any, **_: Any) -> None:
    """End the streams of a browser that signed out, or whose session somebody deleted."""
    pk = cookies.user_id(instance.get_decoded()) if instance.expire_date > timezone.now() else None
    if pk is not None:
        user = get_user_model()._default_manager.filter(pk=pk).first()
        if user is not None:
            recheck_many(_orgs_of(user), [str(user.pk)])


def _orgs_of(user: Any) -> frozenset[str]:
    """Return every org in which a user may have a stream open."""
    tokens = ApiToken.objects.filter(user=user, revoked_at=None).values_list("org", flat=True)
    return frozenset(access.current().orgs(user)) | frozenset(tokens)
