"""What can be done to orgs, users and memberships: each function one intention.

The `ensure_…` functions make what is missing and leave what is there as it is: a role, once given, is not changed.
"""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from redline.workspaces import selectors
from redline.workspaces.models import Membership, Org, Role, User


def ensure_org(text: str) -> Org:
    """Return the org of a slug or id, made if there is none of this slug; raises `ValidationError` for a bad slug."""
    known = selectors.find_org(text)
    if known is not None:
        return known
    org = Org(slug=text, name=text)
    org.full_clean(validate_unique=False, validate_constraints=False)
    return Org.objects.get_or_create(slug=text, defaults={"name": text})[0]


def ensure_user(text: str) -> User:
    """Return the user of a username, e-mail or id, made without a password if there is none of this name."""
    known = selectors.find_user(text)
    if known is not None:
        return known
    user = User(username=text, email=text if _is_email(text) else "")
    user.set_unusable_password()
    user.full_clean(validate_unique=False, validate_constraints=False)
    defaults = {"email": user.email, "password": user.password}
    return User.objects.get_or_create(username=text, defaults=defaults)[0]


def ensure_membership(org: Org, user: User, *, role: Role = Role.MEMBER) -> Membership:
    """Return the user's membership in the org, made with this role if there is none."""
    with transaction.atomic():
        return Membership.objects.get_or_create(org=org, user=user, defaults={"role": role})[0]


def sandbox_of(org_id: str) -> Org:
    """Return the org into which the log of this one is replayed, made with the same members if it is missing."""
    org = Org.objects.get(pk=org_id)
    sandbox, _ = Org.objects.get_or_create(
        slug=f"{org.slug[:32]}-sandbox", defaults={"name": f"{org.name} (sandbox)"[:120]}
    )
    for membership in org.memberships.all():
        Membership.objects.get_or_create(org=sandbox, user_id=membership.user_id, defaults={"role": membership.role})
    return sandbox


def _is_email(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
