"""One house per kind of server for the tests of single connections, started at first use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.house import House


@pytest.fixture(scope="session", params=["daphne", "uvicorn"])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    with House(request.param) as made:
        yield made
