"""Per kind of server one house that takes an issuer's tokens besides its own, started at first use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.acceptance.house import House
from tests.issuer import SECRET, Issuer, issuer


@dataclass(frozen=True)
class Place:
    """A running server and the issuer whose tokens it takes, by secret and by key; the claim `org` names the org."""

    house: House
    issuer: Issuer


def trusting(it: Issuer) -> dict[str, str]:
    """Return the environment of a server that takes an issuer's tokens."""
    return {**it.settings(), "JWT_SECRET": SECRET, "JWT_ORG_CLAIM": "org"}


@pytest.fixture(scope="package", params=["daphne", "uvicorn"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with issuer() as it, House(request.param, env=trusting(it)) as house:
        yield Place(house, it)


@pytest.fixture
def house(place: Place) -> House:
    return place.house
