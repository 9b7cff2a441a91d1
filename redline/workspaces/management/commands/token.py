"""`token ORG USER`: a new API token, alone on stdout, shown this once.

ORG is slug or id, USER is username, e-mail or id. `--create` makes whichever of org, user and membership is missing;
what is there stays as it is. Nothing is written unless all of it can be.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from redline.ids import is_id
from redline.workspaces import selectors, services
from redline.workspaces.models import Membership, Org, Role, User
from streaming.management.command import BadInput, OneLineCommand
from streaming.models import ApiToken

LONGEST_DAYS = 36_500
T = TypeVar("T", Org, User)


class Command(OneLineCommand):
    help = "Print a new API token of a user for an org."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("org", metavar="ORG", help="slug or id")
        parser.add_argument("user", metavar="USER", help="username, e-mail or id")
        parser.add_argument("--create", action="store_true", help="make org, user and membership where missing")
        parser.add_argument("--days", type=int, help="expires after so many days; without it, never")
        parser.add_argument("--role", choices=Role.values, default=Role.MEMBER.value, help="of a new membership")

    def handle(self, *, org: str, user: str, create: bool, days: int | None, role: str, **_: object) -> str:  # type: ignore[override]
        _check(org=org, user=user, days=days)
        with transaction.atomic():
            found_org, found_user = _org(org, create=create), _user(user, create=create)
            if create:
                services.ensure_membership(found_org, found_user, role=Role(role))
            _check_member(found_org, found_user)
            expires_at = None if days is None else timezone.now() + timedelta(days=days)
            _, secret = ApiToken.issue(
                user=found_user, org=found_org.pk, label="manage.py token", expires_at=expires_at
            )
        return secret


def _check(*, org: str, user: str, days: int | None) -> None:
    if not org.strip() or not user.strip():
        raise BadInput("ORG and USER may not be blank.")
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise BadInput(f"--days is a whole number from 1 to {LONGEST_DAYS}, not {days}.")


def _org(text: str, *, create: bool) -> Org:
    found = selectors.find_org(text)
    if found is None and (not create or is_id(text, "org")):
        raise CommandError(f"There is no org {text!r}." + _hint(create))
    return found or _made(text, "an org's slug", services.ensure_org)


def _user(text: str, *, create: bool) -> User:
    found = selectors.find_user(text)
    if found is None and (not create or is_id(text, "usr")):
        raise CommandError(f"There is no user {text!r}." + _hint(create))
    return found or _made(text, "a username", services.ensure_user)


def _made(text: str, what: str, make: Callable[[str], T]) -> T:
    try:
        return make(text)
    except ValidationError as error:
        raise BadInput(f"{text!r} cannot be {what}: {error.messages[0]}") from None


def _check_member(org: Org, user: User) -> None:
    if not user.is_active:
        raise CommandError(f"{user.username} is not active.")
    if not Membership.objects.filter(org=org, user=user).exists():
        raise CommandError(f"{user.username} is not a member of {org.slug}." + _hint(create=False))


def _hint(create: bool) -> str:
    return "" if create else " Use --create to make it."
