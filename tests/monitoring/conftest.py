from __future__ import annotations

from collections.abc import Iterator

import pytest

from redline.workspaces.models import Org, Role
from tests.monitoring.scripted_web import running
from tests.monitoring.world import Rest, Site, make_member, make_org


@pytest.fixture
def org(transactional_db: None) -> Org:
    return make_org()


@pytest.fixture
def rest(org: Org) -> Rest:
    """A member with a token."""
    return Rest(make_member(org), org)


@pytest.fixture
def owner(org: Org) -> Rest:
    return Rest(make_member(org, Role.OWNER), org)


@pytest.fixture
def viewer(org: Org) -> Rest:
    return Rest(make_member(org, Role.VIEWER), org)


@pytest.fixture
def stranger(transactional_db: None) -> Rest:
    """The owner of another org."""
    other = make_org()
    return Rest(make_member(other, Role.OWNER), other)


@pytest.fixture
def site(settings: object) -> Iterator[Site]:
    """A real web server, the only private address that may be fetched."""
    with running() as web:
        settings.REDLINE_FETCH_HOSTS = [web.address]
        yield Site(web)
