"""One server and one writer for all; a Chromium and a signed-in person of an org of his own per test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.acceptance.house import Clerk
from tests.browser import chromium
from tests.hub.stage import APPLICATION, Stage
from tests.servers import Server, fresh_database, serve


@pytest.fixture(scope="session")
def running() -> Iterator[tuple[Server, Clerk]]:
    url = fresh_database()
    clerk = Clerk(url)
    try:
        with serve("uvicorn", database_url=url, application=APPLICATION, env={"ENABLE_EVENT_STREAM": "on"}) as server:
            yield server, clerk
    finally:
        clerk.close()


@pytest.fixture
async def stage(running: tuple[Server, Clerk]) -> AsyncIterator[Stage]:
    async with chromium() as browser:
        stage = await Stage.set(*running, await browser.new_context())
        yield stage
        assert stage.complaints == []
