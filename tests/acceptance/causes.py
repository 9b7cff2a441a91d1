"""Every cause for which somebody's right to a stream changes, and how it is brought about from another process."""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import urlencode

from tests.acceptance.house import Clerk
from tests.servers import Server

End = Literal["ended", "narrowed", "widened", "expired"]
CSRF = "c" * 32


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody with a stream; `cookie` is his browser's where he has signed in, `spare` a token for after the first."""

    org: str
    user: str
    token: str
    spare: str
    cookie: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": self.cookie} if self.cookie else {"Authorization": f"Bearer {self.token}"}


class Office(Protocol):
    """Where rights are changed: a registrar's process, and the running server with its admin."""

    registrar: Clerk
    server: Server
    administrator: str


Act = Callable[[Office, Person], Awaitable[float]]
"""Changes a right; returns when it began to, by the monotonic clock."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """`told` says whether the log tells of it: if not, only the round over all open streams can find it."""

    name: str
    act: Act
    end: End = "ended"
    role: str = "member"
    by_cookie: bool = False
    told: bool = True


async def post(server: Server, path: str, cookie: str, **form: str) -> float:
    """Send a form as a signed-in browser does, and expect to be sent on; returns when it was sent."""
    body = urlencode({"csrfmiddlewaretoken": CSRF, **form})
    headers = {"Cookie": f"{cookie}; csrftoken={CSRF}", "Content-Type": "application/x-www-form-urlencoded"}
    at = time.monotonic()
    assert await asyncio.to_thread(_post, server.port, path, body, headers) == 302
    return at


def _post(port: int, path: str, body: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


async def revoke_in_the_admin(office: Office, one: Person) -> float:
    key = await office.registrar.token_key(secret=one.token)
    form = {"action": "revoke", "_selected_action": str(key)}
    return await post(office.server, "/admin/streaming/apitoken/", office.administrator, **form)


async def sign_out(office: Office, one: Person) -> float:
    return await post(office.server, "/sign-out", one.cookie)


def _by_hand(sql: str, *names: str) -> Act:
    async def act(office: Office, one: Person) -> float:
        values = {"org": one.org, "user": one.user, "session": one.cookie.partition("=")[2]}
        at: float = await office.registrar.by_hand(sql=sql, values=[values[name] for name in names])
        return at

    return act


async def wait(office: Office, one: Person) -> float:
    """Time does it; return when it will have."""
    at: float = await office.registrar.expires(secret=one.token)
    return at


TOLD = (
    Cause(name="token revoked in the admin", act=revoke_in_the_admin),
    Cause(name="token revoked", act=lambda office, one: office.registrar.revoke_token(secret=one.token)),
    Cause(name="token deleted", act=lambda office, one: office.registrar.delete_token(secret=one.token)),
    Cause(name="membership deleted", act=lambda office, one: office.registrar.leave(org=one.org, user=one.user)),
    Cause(
        name="owner made member",
        act=lambda office, one: office.registrar.appoint(org=one.org, user=one.user, role="member"),
        end="narrowed",
        role="owner",
    ),
    Cause(name="user deactivated", act=lambda office, one: office.registrar.deactivate(user=one.user)),
    Cause(name="user deleted", act=lambda office, one: office.registrar.dismiss(user=one.user)),
    Cause(name="signed out", act=sign_out, by_cookie=True),
    Cause(
        name="session deleted", act=lambda office, one: office.registrar.end_session(cookie=one.cookie), by_cookie=True
    ),
    Cause(
        name="password changed",
        act=lambda office, one: office.registrar.change_password(user=one.user),
        by_cookie=True,
    ),
    Cause(
        name="member made owner",
        act=lambda office, one: office.registrar.appoint(org=one.org, user=one.user, role="owner"),
        end="widened",
    ),
    Cause(
        name="put out and taken in as owner",
        act=lambda office, one: office.registrar.replace(org=one.org, user=one.user, role="owner"),
        end="widened",
    ),
)

EXPIRED = Cause(name="token expired", act=wait, end="expired", told=False)

UNTOLD = (
    Cause(
        name="token revoked by hand",
        act=_by_hand("UPDATE streaming_apitoken SET revoked_at = CURRENT_TIMESTAMP WHERE user_id = %s", "user"),
        told=False,
    ),
    Cause(
        name="membership deleted by hand",
        act=_by_hand("DELETE FROM workspaces_membership WHERE org_id = %s AND user_id = %s", "org", "user"),
        told=False,
    ),
    Cause(
        name="owner made member by hand",
        act=_by_hand(
            "UPDATE workspaces_membership SET role = 'member' WHERE org_id = %s AND user_id = %s", "org", "user"
        ),
        end="narrowed",
        role="owner",
        told=False,
    ),
    Cause(
        name="user deactivated by hand",
        act=_by_hand("UPDATE workspaces_user SET is_active = false WHERE id = %s", "user"),
        told=False,
    ),
    Cause(
        name="session deleted by hand",
        act=_by_hand("DELETE FROM django_session WHERE session_key = %s", "session"),
        by_cookie=True,
        told=False,
    ),
)
