"""Whose session cookies are: many read at once, and nothing written.

Django's own `get_user` serves one request and may flush or cycle the session that it reads; a stream looks at the
sessions of thousands every few seconds and must leave them as they are. The same checks, in the same order: the row is
alive, its backend is still configured, the user may sign in, the password is the one with which he signed in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model, load_backend
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends.cached_db import SessionStore as CachedStore
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone
from django.utils.crypto import constant_time_compare

_BY_ROW = (DatabaseStore.load, CachedStore.load)
"""How a store loads whose sessions are rows: many are one query, and a cache in front of them is not asked.

What it holds is older than the row, by as long as it takes to write to it.
"""

AT_ONCE = 500
"""Keys in one query; SQLite takes no more than some thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """An active user and the session by which he is signed in."""

    user: Any
    data: Mapping[str, Any]
    expires_at: datetime


def signed_in(keys: Collection[str]) -> dict[str, SignedIn]:
    """Return who is signed in by each of these session keys; a dead session is left out."""
    sessions = _load(keys)
    users = _users(data for data, _ in sessions.values())
    found: dict[str, SignedIn] = {}
    for key, (data, expires_at) in sessions.items():
        user = users.get((data.get(BACKEND_SESSION_KEY, ""), data.get(SESSION_KEY, "")))
        if user is not None and user.is_active and _same_password(user, data):
            found[key] = SignedIn(user=user, data=data, expires_at=expires_at)
    return found


def store() -> Any:
    """Return the project's session store class."""
    return import_module(settings.SESSION_ENGINE).SessionStore


def user_id(session_data: Mapping[str, Any]) -> str | None:
    """Return the id of the user that a decoded session belongs to."""
    return session_data.get(SESSION_KEY)


def _load(keys: Collection[str]) -> dict[str, tuple[Mapping[str, Any], datetime]]:
    engine = store()
    if issubclass(engine, DatabaseStore) and engine.load in _BY_ROW:
        return dict(_load_rows(engine, sorted(set(keys))))
    sessions = {key: engine(key) for key in set(keys)}
    return {key: (dict(one.items()), one.get_expiry_date()) for key, one in sessions.items()}


def _load_rows(engine: Any, keys: list[str]) -> Iterable[tuple[str, tuple[Mapping[str, Any], datetime]]]:
    rows = engine.get_model_class()._default_manager.filter(expire_date__gt=timezone.now())
    decode = engine().decode
    for start in range(0, len(keys), AT_ONCE):
        some = rows.filter(session_key__in=keys[start : start + AT_ONCE])
        for key, data, expires_at in some.values_list("session_key", "session_data", "expire_date"):
            yield key, (decode(data), expires_at)


def _users(sessions: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Any]:
    """Return the users of these sessions by (backend, id): by one query where the backend is Django's own."""
    wanted: dict[str, set[str]] = {}
    for data in sessions:
        path = data.get(BACKEND_SESSION_KEY, "")
        if path in settings.AUTHENTICATION_BACKENDS and SESSION_KEY in data:
            wanted.setdefault(path, set()).add(data[SESSION_KEY])
    return {(path, pk): user for path, ids in wanted.items() for pk, user in _users_of(path, ids).items()}


def _users_of(path: str, ids: set[str]) -> dict[str, Any]:
    backend: Any = load_backend(path)
    model: Any = get_user_model()
    if type(backend).get_user is not ModelBackend.get_user:
        return {pk: user for pk in ids if (user := backend.get_user(model._meta.pk.to_python(pk))) is not None}
    by_pk = {model._meta.pk.to_python(pk): pk for pk in ids}
    users = model._default_manager.in_bulk(list(by_pk))
    return {by_pk[pk]: user for pk, user in users.items() if backend.user_can_authenticate(user)}


def _same_password(user: Any, data: Mapping[str, Any]) -> bool:
    given = data.get(HASH_SESSION_KEY)
    if not hasattr(user, "get_session_auth_hash"):
        return True
    if not given:
        return False
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(given, known) for known in hashes)
