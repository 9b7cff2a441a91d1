from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any
from urllib.parse import quote

import pytest

from tests.acceptance.house import HEARTBEAT, Clerk, House, told
from tests.attacks import ATTACKS
from tests.issuer import encoded, issuer, published, shared, signed
from tests.monitoring.scripted_web import answer, running
from tests.processes import wait_until
from tests.security.conftest import Place, trusting
from tests.sse_client import SSE
from tests.sse_parser import Block

pytestmark = pytest.mark.servers

PAUSE = 30
"""Seconds that a server leaves between two fetches of an issuer's keys."""


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "X-Request-ID": "r", "Accept": "*/*"}


def carried(house: House, token: str) -> list[Any]:
    """Return the request that carries a token in its query, and the one that does in its header, if a header can."""
    query = quote(token, safe="", errors="surrogatepass")
    requests = [SSE.open(f"{house.server.url}/v1/stream?token={query}", headers={"X-Request-ID": "r"})]
    if token.isprintable():
        requests.append(house.open(headers=bearer(token.encode().decode("latin-1"))))
    return requests


async def status(house: House, token: str, path: str = "/v1/stream") -> int:
    async with house.open(path=path, headers=bearer(token)) as stream:
        return stream.status


async def test_tokens_of_all_three_kinds_open_a_stream_also_where_their_key_has_yet_to_come(place: Place) -> None:
    owner = await place.house.owner()
    for token in (signed(owner.user), signed(owner.user, kid="ec-1"), shared(owner.user)):
        for opening in carried(place.house, token):
            async with opening as stream:
                assert stream.status == 200, await stream.body()
                assert (await stream.next()).event == "stream.open"
    async with place.house.open(path="/v1/vendors", headers=bearer(signed(owner.user))) as answered:
        assert answered.status == 200, "REST takes the same"


async def test_every_attack_gets_the_same_401(place: Place) -> None:
    owner = await place.house.owner()
    answers: dict[Any, list[str]] = {}
    said_before = len(place.house.server.log())
    for name, attack in ATTACKS.items():
        for opening in carried(place.house, attack(owner.user)):
            async with opening as stream:
                headers = tuple(sorted((key, value) for key, value in stream.headers.items() if key != "date"))
                answers.setdefault((stream.status, headers, await stream.body()), []).append(name)
    assert len(answers) == 1, {key[0]: names[:5] for key, names in answers.items()}
    ((refusal, headers, body),) = answers
    assert refusal == 401, body
    assert dict(headers)["www-authenticate"] == "Bearer"
    assert "Traceback" not in place.house.server.log()[said_before:]


async def test_keys_that_a_token_brings_along_are_never_asked_for(place: Place) -> None:
    owner = await place.house.owner()
    with running() as attacker:
        attacker.script = lambda handler: answer(handler, b'{"keys": []}', Content_Type="application/json")
        url = f"{attacker.url}/jwks.json"
        certificate = encoded(b"certificate")
        for header in (
            {"jku": url},
            {"x5u": url},
            {"jku": url, "x5u": url, "kid": "rsa-1"},
            {"jwk": published("rsa-9"), "kid": "rsa-1"},
            {"x5c": [certificate], "x5t": certificate, "kid": url},
            {"kid": url, "iss": url},
        ):
            assert await status(place.house, signed(owner.user, kid="rsa-9", header=header)) == 401, header
            for good in (signed(owner.user, header={**header, "kid": "rsa-1"}), shared(owner.user, header=header)):
                assert await status(place.house, good) == 200, f"{header}: what is not read does no harm"
        assert attacker.asked == []


async def test_a_thousand_unknown_keys_are_a_thousand_refusals_and_no_thousand_fetches(place: Place) -> None:
    owner = await place.house.owner()
    assert await status(place.house, signed(owner.user)) == 200
    before, begun = place.issuer.fetches, time.monotonic()
    tokens = [signed(owner.user, kid="rsa-9", header={"kid": f"unknown-{number}"}) for number in range(1_000)]
    seen: dict[int, int] = {}
    at_once = asyncio.Semaphore(20)

    async def one(token: str) -> None:
        async with at_once:
            answered = await status(place.house, token)
            seen[answered] = seen.get(answered, 0) + 1

    await asyncio.gather(*map(one, tokens))
    fetches, seconds = place.issuer.fetches - before, time.monotonic() - begun
    print(f"{place.house.kind}: 1,000 unknown keys in {seconds:.1f} s: {seen}, {fetches} fetches")
    assert seen == {401: 1_000}
    assert fetches <= 1 + seconds // PAUSE, f"{fetches} fetches in {seconds:.1f} s"


async def test_a_stream_ends_when_its_token_does_and_a_new_one_resumes_it(place: Place) -> None:
    house = place.house
    owner = await house.owner()
    exp = int(time.time()) + 3
    async with house.open(headers=bearer(signed(owner.user, exp=exp))) as stream:
        assert stream.status == 200
        first = (await house.clerk.emit(org=owner.org))[0]
        assert (await stream.next(event="change.detected")).id == first
        closing = await stream.next(event="stream.closing", timeout=6)
        assert told(closing) == {"reason": "auth_expired", "reconnect": True, "retryMs": closing.retry}
        late = time.time() - exp
        assert 0 <= late <= 1, f"ended {late:.2f} s after its token"
    missed = (await house.clerk.emit(org=owner.org, start=2))[0]
    async with house.open(cursor=first, headers=bearer(signed(owner.user))) as stream:
        assert (await stream.next(event="change.detected")).id == missed


async def test_the_claim_decides_on_the_org_and_one_that_is_not_the_users_is_refused(place: Place) -> None:
    house = place.house
    owner, other = await house.owner(), await house.owner()
    await house.clerk.join(org=other.org, user=owner.user)
    stranger = await house.owner()
    heads = {org: (await house.clerk.emit(org=org))[-1] for org in (owner.org, other.org, stranger.org)}
    for claims, query, org in (
        ({}, {}, owner.org),
        ({}, {"org": other.org}, other.org),
        ({"org": other.org}, {}, other.org),
        ({"org": other.org}, {"org": owner.org}, other.org),
    ):
        async with house.open(headers=bearer(signed(owner.user, **claims)), **query) as stream:
            assert (await stream.next()).id == heads[org], (claims, query)
    answers = set()
    for claims, query in (
        ({"org": stranger.org}, {}),
        ({"org": "unknown"}, {}),
        ({"org": 5}, {}),
        ({}, {"org": stranger.org}),
    ):
        async with house.open(headers=bearer(signed(owner.user, **claims)), **query) as stream:
            answers.add((stream.status, await stream.body()))
    assert len(answers) == 1
    assert answers.pop()[0] == 403


async def test_while_the_issuer_hangs_nobody_waits_but_whose_key_is_missing(place: Place) -> None:
    with issuer() as it, House(place.house.kind, env=trusting(it)) as house:
        owner = await house.owner()
        it.hold()
        async with house.open(owner) as stream:
            beating = asyncio.create_task(_heartbeats(stream, 5))
            waiting = [
                asyncio.create_task(status(house, signed(owner.user), path))
                for path in ("/v1/stream", "/v1/vendors") * 10
            ]
            await asyncio.to_thread(wait_until, lambda: it.fetches > 0, within=5, what="a fetch")
            logins = 0
            while not any(task.done() for task in waiting):
                for token, expected in ((owner.token, 200), (shared(owner.user), 200), ("rl_x", 401), ("a.b.c", 401)):
                    for path in ("/v1/events", "/v1/vendors"):
                        async with asyncio.timeout(1), house.open(path=path, headers=bearer(token)) as answered:
                            assert answered.status == expected, (path, token)
                        logins += 1
            assert set(await asyncio.gather(*waiting)) == {503}, "3 s, and no key has come"
            pauses = [after.at - before.at for before, after in itertools.pairwise(await beating)]
        print(
            f"{house.kind}: {logins} other logins while the issuer hung, heartbeats {[f'{one:.2f}' for one in pauses]}"
        )
        assert logins >= 8
        assert max(pauses) <= HEARTBEAT + 0.5, f"{pauses}"
        assert it.fetches == 1


async def test_while_no_key_can_be_had_a_token_that_needs_one_is_told_to_come_again(place: Place) -> None:
    with issuer() as it, House(place.house.kind, env=trusting(it)) as house:
        owner = await house.owner()
        it.answer = lambda handler: answer(handler, b"{}", 503)
        token = signed(owner.user)
        for path in ("/v1/stream", "/v1/events", "/v1/vendors"):
            async with house.open(path=path, headers=bearer(token)) as refused:
                assert refused.status == 503, path
                assert 3 <= int(refused.headers["retry-after"]) <= 6
                assert (await refused.json())["error"]["code"] == "stream-unavailable"
            assert await status(house, shared(owner.user), path) == 200
            assert await status(house, "a.b.c", path) == 401
        async with house.open(headers=bearer(token), refusal="stream") as told_in_band:
            assert told_in_band.status == 200
            assert told(await told_in_band.next(event="stream.closing"))["reason"] == "unavailable"
        assert it.fetches == 1


async def _heartbeats(stream: SSE, count: int) -> list[Block]:
    """Return the next heartbeats, each with the moment at which it came."""
    return [await _heartbeat(stream) for _ in range(count)]


async def _heartbeat(stream: SSE) -> Block:
    while True:
        block = await stream.next()
        if block.comment == "heartbeat":
            return block


async def test_a_stream_ends_with_the_right_of_its_user_however_long_his_token_lives(place: Place) -> None:
    house = place.house
    owner = await house.owner()
    registrar = Clerk(house.database_url, module="tests.acceptance.registrar")
    try:
        for taken in ("leave", "deactivate"):
            member = await house.member(owner.org)
            async with house.open(headers=bearer(signed(member.user, org=owner.org))) as stream:
                await stream.until("stream.caught_up")
                told_whom = {"user": member.user, **({"org": owner.org} if taken == "leave" else {})}
                await getattr(registrar, taken)(**told_whom)
                closing = await stream.next(event="stream.closing", timeout=10)
                assert told(closing) == {"reason": "auth_revoked", "reconnect": False, "retryMs": closing.retry}
            refusal = 403 if taken == "leave" else 401
            assert await status(house, signed(member.user, org=owner.org)) == refusal, taken
    finally:
        registrar.close()


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_a_key_that_the_issuer_has_replaced_is_picked_up_within_the_pause(place: Place) -> None:
    with issuer() as it, House(place.house.kind, env=trusting(it)) as house:
        owner = await house.owner()
        assert await status(house, signed(owner.user)) == 200
        it.kids = ["rsa-2"]
        begun = time.monotonic()
        while await status(house, signed(owner.user, kid="rsa-2")) != 200:
            assert time.monotonic() - begun < PAUSE + 5, "not picked up"
            await asyncio.sleep(0.5)
        print(f"{house.kind}: picked up after {time.monotonic() - begun:.1f} s, {it.fetches} fetches")
        assert it.fetches == 2
        assert await status(house, signed(owner.user)) == 401, "the key that it replaced"
