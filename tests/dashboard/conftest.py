"""Two companies, and people who belong to one, to both, or to none."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pytest_django import Settings

from redline.workspaces.models import Membership, Org, Role, User

PASSWORD = "a-long-word-that-nobody-guesses"


@dataclass(frozen=True, kw_only=True)
class Town:
    here: Org
    there: Org
    both: User
    only_here: User
    nowhere: User


@pytest.fixture
def town(db: None, settings: Settings) -> Town:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # PBKDF2 costs 0.3 s a person
    here = Org.objects.create(slug="here", name="Here & Co")
    there = Org.objects.create(slug="there", name="There")
    both = User.objects.create_user("both", password=PASSWORD)
    only_here = User.objects.create_user("only", password=PASSWORD)
    Membership.objects.create(org=here, user=both, role=Role.OWNER)
    Membership.objects.create(org=there, user=both)
    Membership.objects.create(org=here, user=only_here, role=Role.VIEWER)
    return Town(
        here=here,
        there=there,
        both=both,
        only_here=only_here,
        nowhere=User.objects.create_user("nowhere", password=PASSWORD),
    )
