from __future__ import annotations

import asyncio
import json
from collections import Counter

import httpx
import pytest

from tests.acceptance.house import Clerk, House, told
from tests.security.conftest import Place
from tests.servers import fresh_database, serve
from tests.services import redis
from tests.sse_client import SSE

pytestmark = pytest.mark.servers


async def ticket(house: House, token: str) -> str:
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            house.url("/v1/stream/tickets"), headers={"Authorization": f"Bearer {token}"}, content=b""
        )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


async def test_a_ticket_taken_over_the_wire_opens_a_stream_and_what_it_offers_opens_it_again(place: Place) -> None:
    house = place.house
    owner = await house.owner()
    async with house.open(ticket=await ticket(house, owner.token)) as stream:
        assert stream.status == 200
        token = told(await stream.next(event="stream.open"))["reconnectToken"]
    missed = await house.clerk.emit(org=owner.org, count=3)
    async with house.open(token=token) as stream:
        assert [(await stream.next(event="change.detected")).id for _ in missed] == missed


async def test_neither_is_in_any_log_nor_good_for_rest(place: Place) -> None:
    house = place.house
    owner = await house.owner()
    secret = await ticket(house, owner.token)
    async with house.open(ticket=secret) as stream:
        token = told(await stream.next(event="stream.open"))["reconnectToken"]
    for query in ({"ticket": await ticket(house, owner.token)}, {"token": token}):
        async with house.open(path="/v1/vendors", headers={"Accept": "*/*"}, **query) as refused:
            assert refused.status == 401
    said = house.server.log()
    assert secret not in said
    assert token not in said
    assert owner.token not in said


async def test_bytes_that_are_no_ticket_are_401_and_never_5xx(place: Place) -> None:
    seen: Counter[int] = Counter()
    for text in ("%00", "%FF", "%ED%A0%80", "rlt_", "rlt_" + "a" * 4000, "rlr_", "'", "%F0%9F%99%82", "..", "rl_%00"):
        for name in ("ticket", "token"):
            async with SSE.open(f"{place.house.url()}?{name}={text}") as stream:
                seen[stream.status] += 1
    assert set(seen) == {401}, seen


@pytest.mark.postgres
async def test_of_fifty_uses_at_once_on_two_workers_one_opens_a_stream() -> None:
    database = fresh_database("postgres")
    with serve("uvicorn", database_url=database, channels_url=redis().channels_url, workers=2) as server:
        clerk = Clerk(database)
        try:
            owner = await clerk.org()
            seen = []
            for _ in range(10):
                async with httpx.AsyncClient() as client:
                    answer = await client.post(
                        f"{server.url}/v1/stream/tickets", headers={"Authorization": f"Bearer {owner['token']}"}
                    )
                    url = f"{server.url}/v1/stream?ticket={json.loads(answer.text)['ticket']}"
                seen.append(Counter(await asyncio.gather(*(status(url) for _ in range(50)))))
        finally:
            clerk.close()
    print(f"fifty uses of one ticket at once, ten times: {seen}")
    assert all(one == {200: 1, 401: 49} for one in seen), seen


async def status(url: str) -> int:
    async with SSE.open(url, timeout=30) as stream:
        return stream.status
