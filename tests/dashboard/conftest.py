"""Two companies, and people who belong to one, to both, or to none; a house with a server, and a desk in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from pytest_django import Settings

from redline.workspaces.models import Membership, Org, Role, User
from tests.browser import chromium
from tests.dashboard.desk import PASSWORD, SEED, Desk, House
from tests.servers import fresh_database, serve


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


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    url = fresh_database("sqlite")
    with serve("daphne", database_url=url) as server:
        yield House(server, url)


@pytest.fixture
async def here(house: House) -> AsyncIterator[Desk]:
    """A desk in an org of its own, with one open change."""
    async with chromium() as browser:
        desk = Desk(house, f"here-{next(house.numbers)}", browser)
        await desk.shell(SEED, password=PASSWORD)
        yield desk
