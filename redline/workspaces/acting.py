"""Who acts: the user behind the change that is being made, for the records that name one.

A context variable, set by the middleware for requests and by `acting` elsewhere; `usr_system` where nobody acts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

SYSTEM = "usr_system"

_actor: ContextVar[Callable[[], str]] = ContextVar("redline_actor", default=lambda: SYSTEM)


def actor_id() -> str:
    """Return the id of the acting user."""
    return _actor.get()()


@contextmanager
def acting(user_id: str | Callable[[], str]) -> Iterator[None]:
    """Act as this user within the block; a callable is asked when something is recorded."""
    token = _actor.set(user_id if callable(user_id) else lambda: user_id)
    try:
        yield
    finally:
        _actor.reset(token)


class ActingUserMiddleware:
    """Makes the signed-in user the one who acts, in the admin and in views alike."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if iscoroutinefunction(self):
            return self._acall(request)
        with acting(lambda: _user_of(request)):
            return self.get_response(request)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        with acting(lambda: _user_of(request)):
            return await self.get_response(request)


def _user_of(request: HttpRequest) -> str:
    """Return who is signed in now: DRF authenticates inside the view and then notes the user on the request."""
    user = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.is_authenticated else SYSTEM
