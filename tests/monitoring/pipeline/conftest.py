"""Real web servers on loopback for the pipeline to fetch from and deliver to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.monitoring.scripted_web import Web, running


@pytest.fixture
def web() -> Iterator[Web]:
    with running() as server:
        yield server


@pytest.fixture
def other_web() -> Iterator[Web]:
    with running() as server:
        yield server
