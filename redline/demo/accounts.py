"""The demo org, its three users, their password and the token that is printed.

Promises: safe to run again. The password is derived from the secret key and the org, so that it is the same at every
start of one checkout and database, is stored nowhere, and cannot be guessed. Each start issues a new token; those of
former starts can be ended. Refuses a user of the same name who is somebody else's: a demo that is pointed at a real
database changes nobody's password.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from django.utils import timezone
from django.utils.crypto import salted_hmac

from redline.demo.errors import DemoError
from redline.workspaces.models import Membership, Org, Role, User
from streaming.models import ApiToken

SLUG = "acme"
TOKEN_LABEL = "demo"
USERS = {"owner": Role.OWNER, "member": Role.MEMBER, "viewer": Role.VIEWER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    org: Org
    users: dict[str, User]
    password: str

    @property
    def owner(self) -> User:
        return self.users["owner"]


def make() -> Accounts:
    """Make what is missing of the org and its users, and give them the demo's password."""
    org, _ = Org.objects.get_or_create(slug=SLUG, defaults={"name": "Acme"})
    password = _password(org)
    users = {name: _user(org, name, role, password) for name, role in USERS.items()}
    return Accounts(org=org, users=users, password=password)


def end_tokens(accounts: Accounts) -> None:
    """Revoke the tokens of former starts."""
    for token in ApiToken.objects.filter(org=accounts.org.pk, label=TOKEN_LABEL, revoked_at=None):
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])


def new_token(accounts: Accounts) -> str:
    """Issue the owner's token for this start."""
    _, secret = ApiToken.issue(user=accounts.owner, org=accounts.org.pk, label=TOKEN_LABEL)
    return secret


def _password(org: Org) -> str:
    digest = salted_hmac("redline.demo", org.pk, algorithm="sha256").digest()
    letters = base64.b32encode(digest).decode().lower()
    return "-".join(letters[start : start + 4] for start in (0, 4, 8))


def _user(org: Org, name: str, role: Role, password: str) -> User:
    user, created = User.objects.get_or_create(username=name, defaults={"email": f"{name}@acme.example"})
    is_ours = created or not user.has_usable_password() or Membership.objects.filter(org=org, user=user).exists()
    if not is_ours:
        raise DemoError(
            f"This database has a user {name!r} who is not the demo's; "
            "set DATABASE_URL to a database of the demo's own."
        )
    if not user.check_password(password):
        user.set_password(password)
    user.is_active = True
    user.is_staff = user.is_superuser = role is Role.OWNER
    user.save()
    Membership.objects.get_or_create(org=org, user=user, defaults={"role": role})
    return user
