"""What can be done to orgs, users and memberships: each function one intention.

The `ensure_…` functions make what is missing and leave what is there as it is: a role, once given, is not changed.
"""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from redline.ids import new_id
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


@transaction.atomic
def sandbox_of(org_id: str) -> Org:
    """Return the org into which the log of this one is replayed, made if it is missing.

    Its members are those of the original, no more and no fewer. It is known by what it belongs to, never by its slug,
    which may be somebody else's.
    """
    org = Org.objects.get(pk=org_id)
    sandbox, _ = Org.objects.get_or_create(
        sandbox_for=org,
        defaults={"slug": _free_slug(f"{org.slug[:32]}-sandbox"), "name": f"{org.name[:110]} (sandbox)"},
    )
    members = dict(org.memberships.values_list("user_id", "role"))
    sandbox.memberships.exclude(user_id__in=members).delete()
    for user_id, role in members.items():
        Membership.objects.update_or_create(org=sandbox, user_id=user_id, defaults={"role": role})
    return sandbox


def _free_slug(wanted: str) -> str:
    return wanted if not Org.objects.filter(slug=wanted).exists() else f"{wanted[:32]}-{new_id('org')[4:10].lower()}"


def _is_email(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
