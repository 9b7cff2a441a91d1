from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from tests.acceptance.house import LISTED, House, Member, told
from tests.servers import manage

pytestmark = pytest.mark.servers


async def refused(
    house: House, member: Member | None = None, **asked: Any
) -> tuple[int, dict[str, Any], dict[str, str]]:
    async with house.open(member, **asked) as stream:
        assert stream.headers["content-type"] == "application/json"
        error = (await stream.json())["error"]
        assert set(error) - {"details"} == {"code", "message", "requestId"}
        assert error["requestId"] == stream.headers["x-request-id"]
        assert stream.headers["vary"] == "Authorization, Cookie, Origin"
        assert stream.headers["cache-control"] == "no-store"
        return stream.status, error, stream.headers


async def test_each_refusal_has_its_status_code_and_headers(house: House) -> None:
    owner = await house.owner()
    status, error, headers = await refused(house, owner, method="POST")
    assert (status, error["code"], headers["allow"]) == (405, "method-not-allowed", "GET, HEAD, OPTIONS")
    status, error, headers = await refused(house)
    assert (status, error["code"], headers["www-authenticate"]) == (401, "unauthenticated", "Bearer")
    status, error, _ = await refused(house, owner, types="no.such")
    assert (status, error["code"]) == (400, "validation-failed")
    cookie = await house.clerk.sign_in(user=owner.user)
    status, error, _ = await refused(house, headers={"Cookie": cookie}, org="org_unknown")
    assert (status, error["code"]) == (403, "forbidden")


async def test_the_earlier_row_of_the_table_answers(house: House) -> None:
    owner = await house.owner()
    cookie = {"Cookie": await house.clerk.sign_in(user=owner.user)}
    assert (await refused(house, method="DELETE", types="no.such"))[0] == 405
    assert (await refused(house, types="no.such"))[0] == 401
    assert (await refused(house, headers=cookie, org="org_unknown", types="no.such"))[0] == 400
    async with _full(house, owner):
        assert (await refused(house, headers=cookie, org="org_unknown"))[0] == 403
        assert (await refused(house, owner, types="no.such"))[0] == 400
        status, error, headers = await refused(house, owner)
        assert (status, error["code"]) == (429, "too-many-connections")
        assert 5 <= int(headers["retry-after"]) <= 10
        async with house.open(owner, refusal="stream") as stream:
            assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            (closing,) = await stream.rest()
            assert stream.clean
        assert closing.event == "stream.closing"
        assert told(closing) == {"reason": "unavailable", "reconnect": True, "retryMs": closing.retry}
        assert closing.id is None
    async with house.open(owner) as stream:  # a freed place is usable
        assert stream.status == 200


class _full:  # noqa: N801 - reads as the condition that it is
    """While it holds, a user has as many streams open as he may, and each of them lives."""

    def __init__(self, house: House, member: Member) -> None:
        self._opening = [house.open(member) for _ in range(10)]
        self._house, self._member = house, member

    async def __aenter__(self) -> None:
        self._streams = [await opening.__aenter__() for opening in self._opening]
        for stream in self._streams:
            await stream.until("stream.caught_up")

    async def __aexit__(self, *_: object) -> None:
        await self._house.clerk.emit(org=self._member.org, count=1)
        for stream in self._streams:
            await stream.next(event="change.detected")  # nobody was evicted
        for opening in self._opening:
            await opening.__aexit__(None, None, None)
        async with asyncio.timeout(5):
            while True:
                async with self._house.open(self._member) as stream:
                    if stream.status == 200:
                        return


async def test_an_address_that_connects_too_fast_is_refused_and_others_are_not(house: House) -> None:
    owner = await house.owner()
    statuses = []
    for _ in range(40):
        async with house.open(owner, method="HEAD", headers={"X-Forwarded-For": "198.51.100.7"}) as stream:
            statuses.append(stream.status)
            if stream.status == 429:
                assert int(stream.headers["retry-after"]) >= 1
    assert statuses[:20] == [200] * 20
    assert 429 in statuses
    async with house.open(owner, method="HEAD", headers={"X-Forwarded-For": "198.51.100.8"}) as stream:
        assert stream.status == 200
    status, _, _ = await refused(house, method="DELETE", headers={"X-Forwarded-For": "198.51.100.7"})
    assert status == 405, "the method comes first"


async def test_a_request_id_is_echoed_or_made(house: House) -> None:
    owner = await house.owner()
    for given, echoed in (("abc-1._X", True), ("x" * 128, True), ("x" * 129, False), ("a b", False)):
        for member in (owner, None):
            async with house.open(member, headers={"X-Request-ID": given}) as stream:
                answered = stream.headers["x-request-id"]
                assert (answered == given) == echoed
                assert echoed or re.fullmatch(r"[0-9a-f]{32}", answered)


async def test_unknown_and_foreign_are_the_same_bytes(house: House) -> None:
    owner, other = await house.owner(), await house.owner()
    cookie = await house.clerk.sign_in(user=owner.user)
    answers = set()
    for org in (other.org, "org_unknown", "no-such-slug", "house-99999", "\0", "x" * 300, "ü"):
        for path in ("/v1/stream", "/v1/stream/poll", "/v1/events", "/v1/events/1"):
            async with house.open(path=path, headers={"Cookie": cookie, "X-Request-ID": "r"}, org=org) as stream:
                headers = {name: value for name, value in stream.headers.items() if name != "date"}
                answers.add((stream.status, tuple(sorted(headers.items())), await stream.body()))
    assert len(answers) == 1
    assert answers.pop()[0] == 403


async def test_a_cookie_counts_only_from_our_own_or_listed_pages(house: House) -> None:
    owner = await house.owner()
    cookie = await house.clerk.sign_in(user=owner.user)
    host = f"http://127.0.0.1:{house.server.port}"
    matrix = {
        ("same-origin", host): 200,
        ("none", None): 200,
        ("same-site", None): 403,
        ("cross-site", None): 403,
        ("cross-site", "https://evil.example"): 403,
        ("cross-site", LISTED): 200,
        (None, None): 200,
        (None, host): 200,
        (None, "https://evil.example"): 403,
        (None, "null"): 403,
        (None, LISTED): 200,
    }
    for (site, origin), status in matrix.items():
        page = {name: value for name, value in (("Sec-Fetch-Site", site), ("Origin", origin)) if value is not None}
        async with house.open(headers={"Cookie": cookie, **page}) as stream:
            assert stream.status == status, (site, origin)
        async with house.open(owner, headers=page) as stream:
            assert stream.status == 200, "a token is sent by nobody but its holder"


async def test_a_session_user_chooses_among_his_orgs(house: House) -> None:
    owner, other = await house.owner(), await house.owner()
    await house.clerk.join(org=other.org, user=owner.user)
    cookie = {"Cookie": await house.clerk.sign_in(user=owner.user)}
    heads = {org: (await house.clerk.emit(org=org, count=1))[-1] for org in (owner.org, other.org)}
    for query, org in (({}, owner.org), ({"org": owner.org}, owner.org), ({"org": other.org}, other.org)):
        async with house.open(headers=cookie, **query) as stream:
            assert (await stream.next()).id == heads[org]


async def test_tokens_that_are_revoked_or_expired_are_401_and_an_open_stream_ends_with_its_token(house: House) -> None:
    owner = await house.owner()
    gone = await house.clerk.token(user=owner.user, org=owner.org, seconds=-1)
    revoked = await house.clerk.token(user=owner.user, org=owner.org)
    await house.clerk.revoke(secret=revoked)
    for secret in (gone, revoked):
        assert (await refused(house, headers={"Authorization": f"Bearer {secret}"}))[0] == 401
        assert (await refused(house, token=secret))[0] == 401
    short = await house.clerk.token(user=owner.user, org=owner.org, seconds=1.5)
    async with house.open(token=short) as stream:
        assert stream.status == 200
        closing = await stream.next(event="stream.closing", timeout=4)
        assert told(closing) == {"reason": "auth_expired", "reconnect": True, "retryMs": closing.retry}
        await stream.rest()
        assert stream.clean
    assert (await refused(house, token=short))[0] == 401


async def test_without_simple_mode_the_user_header_counts_for_nothing(house: House) -> None:
    owner = await house.owner()
    assert (await refused(house, headers={"X-User-ID": owner.name}))[0] == 401
    done = await asyncio.to_thread(
        manage, "check", "--deploy", database_url=house.database_url, env={"SIMPLE_MODE": "1"}
    )
    assert done.returncode != 0
    assert "SIMPLE_MODE" in done.stderr, "refused by check --deploy, by name"


async def test_a_websocket_is_refused_without_a_traceback(house: House) -> None:
    owner = await house.owner()
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Origin": f"http://127.0.0.1:{house.server.port}",
    }
    for path in ("/v1/stream", "/ws/v1/stream", "/nowhere"):
        async with house.open(owner, path=path, headers=upgrade) as stream:
            assert 400 <= stream.status < 500
    assert "Traceback" not in house.server.log()
