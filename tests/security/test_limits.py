"""Every limit of the protocol over real sockets: so many are accepted, one more is refused, and nobody is evicted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.acceptance.house import House, Member, told
from tests.sse_client import SSE

pytestmark = pytest.mark.servers

USER, ORG, ADDRESS, PROCESS = 3, 5, 4, 8
PROXY = "10.9.8.7"
NARROW = {
    "STREAM_MAX_PER_USER": str(USER),
    "STREAM_MAX_PER_ORG": str(ORG),
    "STREAM_MAX_PER_ADDRESS": str(ADDRESS),
    "STREAM_MAX_PER_PROCESS": str(PROCESS),
    "STREAM_CONNECTS_PER_SECOND": "0",
    "TRUSTED_PROXIES": f"127.0.0.1,{PROXY}",
}
SHORT = {"user": (5, 10), "org": (5, 10), "address": (5, 10), "process": (3, 6)}
"""Between which seconds `Retry-After` lies."""


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def narrow(request: pytest.FixtureRequest) -> Iterator[House]:
    with House(request.param, env=NARROW) as house:
        yield house


class Crowd:
    """Streams that are open, all of them live, each with what it was asked with."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.stack = AsyncExitStack()
        self.streams: list[tuple[SSE, str]] = []

    async def join(self, member: Member, **asked: Any) -> SSE:
        """Open a stream, or keep trying for a second: a place that was just given back may be on its way."""
        async with asyncio.timeout(1):
            while True:
                stream = await self.stack.enter_async_context(self.house.open(member, **asked))
                if stream.status == 200:
                    break
        assert (await stream.next()).event == "stream.open"
        self.streams.append((stream, member.org))
        return stream

    async def leave(self) -> None:
        stream, _ = self.streams.pop(0)
        await stream.close()

    async def all_live(self) -> None:
        """Have something happen in each org, and see that every stream hears of it."""
        for org in {org for _, org in self.streams}:
            cursor = (await self.house.clerk.emit(org=org))[0]
            for stream, theirs in self.streams:
                while theirs == org and (await stream.next()).id != cursor:
                    pass


@asynccontextmanager
async def crowd(house: House) -> AsyncIterator[Crowd]:
    made = Crowd(house)
    async with made.stack:
        yield made


async def refusals(house: House, member: Member | None, code: str, limit: str, **asked: Any) -> None:
    """See one refusal in full, and that several who are refused together are sent away for different times."""
    waits = []
    for _ in range(25):
        async with house.open(member, **asked) as stream:
            error = (await stream.json())["error"]
            assert (stream.status, error["code"]) == (503 if limit == "process" else 429, code), error
            waits.append(int(stream.headers["retry-after"]))
    least, most = SHORT[limit]
    assert least <= min(waits) < max(waits) <= most, waits


async def in_band(house: House, member: Member, **asked: Any) -> None:
    """Be told of the same refusal as a native EventSource can read it, several times."""
    for _ in range(4):
        async with house.open(member, refusal="stream", **asked) as stream:
            assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            (closing,) = await stream.rest()
            assert stream.clean
        assert closing.event == "stream.closing"
        assert told(closing) == {"reason": "unavailable", "reconnect": True, "retryMs": closing.retry}


async def full(house: House, there: Crowd, newcomer: Member, limit: str, **asked: Any) -> None:
    """Hold that a full place refuses, evicts nobody, and takes somebody as soon as one has left."""
    code = "stream-unavailable" if limit == "process" else "too-many-connections"
    await refusals(house, newcomer, code, limit, **asked)
    await in_band(house, newcomer, **asked)
    await there.all_live()
    await there.leave()
    await there.join(newcomer, **asked)
    await refusals(house, newcomer, code, limit, **asked)
    await there.all_live()


async def test_a_user_has_so_many_streams_and_another_of_the_org_is_not_concerned(narrow: House) -> None:
    owner = await narrow.owner()
    other = await narrow.member(owner.org)
    async with crowd(narrow) as there:
        for _ in range(USER):
            await there.join(owner)
        await full(narrow, there, owner, "user")
        await there.join(other)


async def test_an_org_has_so_many_streams_and_another_org_is_not_concerned(narrow: House) -> None:
    owner, stranger = await narrow.owner(), await narrow.owner()
    async with crowd(narrow) as there:
        for _ in range(ORG):
            await there.join(await narrow.member(owner.org))
        await full(narrow, there, owner, "org")
        await there.join(stranger)


def via(*hops: str) -> dict[str, Any]:
    return {"headers": {"X-Forwarded-For": ", ".join(hops)}}


async def test_an_address_has_so_many_streams_as_far_as_proxies_are_trusted(narrow: House) -> None:
    client = "198.51.100.7"
    async with crowd(narrow) as there:
        for number in range(ADDRESS):
            said = f"203.0.113.{number}"  # what a client claims to be is not what the proxy has seen
            await there.join(await narrow.owner(), **via(said, client))
        newcomer = await narrow.owner()
        await full(narrow, there, newcomer, "address", **via(client))
        await refusals(narrow, newcomer, "too-many-connections", "address", **via(client, PROXY))
        await there.join(newcomer, **via(client, "198.51.100.8"))
        await there.join(newcomer)


async def test_a_process_has_so_many_streams_and_says_so_before_it_asks_who_is_there(narrow: House) -> None:
    async with crowd(narrow) as there:
        for _ in range(PROCESS):
            await there.join(await narrow.owner())
        newcomer = await narrow.owner()
        await full(narrow, there, newcomer, "process")
        await refusals(narrow, None, "stream-unavailable", "process")


async def test_a_connection_of_the_same_name_takes_the_place_of_its_older_self_and_of_nobody_else(
    narrow: House,
) -> None:
    owner = await narrow.owner()
    other = await narrow.member(owner.org)
    async with crowd(narrow) as there:
        await there.join(other, connection="page")
        older = await there.join(owner, connection="page")
        for name in ("another", ""):
            await there.join(owner, connection=name)
        await refusals(narrow, owner, "too-many-connections", "user")
        newer = await there.join(owner, connection="page")
        closing = await older.next(event="stream.closing")
        assert told(closing) == {"reason": "superseded", "reconnect": False, "retryMs": closing.retry}
        await older.rest()
        assert older.clean
        there.streams = [one for one in there.streams if one[0] is not older]
        assert newer in [stream for stream, _ in there.streams]
        await refusals(narrow, owner, "too-many-connections", "user")
        await there.all_live()


async def test_a_stream_that_is_refused_supersedes_nobody(narrow: House) -> None:
    owner = await narrow.owner()
    async with crowd(narrow) as there:
        await there.join(owner, connection="page")
        for asked in ({"types": "no.such"}, {"org": "org_unknown"}, {"connection": "!"}):
            headers = {"Cookie": await narrow.clerk.sign_in(user=owner.user)}
            async with narrow.open(headers=headers, **{"connection": "page", **asked}) as stream:
                assert stream.status in (400, 403), asked
        await there.all_live()
