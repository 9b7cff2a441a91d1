from __future__ import annotations

import re

import pytest

from tests.acceptance.house import HEARTBEAT, LISTED, House, headlines, told

pytestmark = pytest.mark.servers

VARY = "Authorization, Cookie, Origin"
FIELDS = {"cursor", "resume", "snapshot", "heartbeat", "connectionId"}


async def test_status_headers_and_the_first_two_blocks(house: House) -> None:
    owner = await house.owner()
    head = (await house.clerk.emit(org=owner.org, count=2))[-1]
    async with house.open(owner, headers={"X-Request-ID": "req-1"}) as stream:
        opened, caught_up = await stream.next(), await stream.next()
        assert stream.status == 200
        headers = dict(stream.headers)
        for of_the_server in ("date", "server", "transfer-encoding", "connection"):
            headers.pop(of_the_server, None)
        assert headers == {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache, no-transform",
            "x-accel-buffering": "no",
            "vary": VARY,
            "x-request-id": "req-1",
        }
    assert opened.event == "stream.open"
    assert 1000 <= (opened.retry or 0) <= 5000
    data = told(opened)
    assert set(data) - {"reconnectToken"} == FIELDS
    assert re.fullmatch(r"con_[A-Za-z0-9_-]{1,60}", data["connectionId"])
    assert (opened.id, data["cursor"], data["resume"], data["snapshot"]) == (head, head, "none", False)
    assert data["heartbeat"] == HEARTBEAT
    assert opened.raw.decode().split("\n")[0] == f"retry: {opened.retry}"
    assert (caught_up.event, caught_up.id) == ("stream.caught_up", head)
    assert told(caught_up) == {"cursor": head, "replayed": 0}
    assert len(head) <= 64
    assert head.isascii()


async def test_the_retry_differs_from_connection_to_connection(house: House) -> None:
    owner = await house.owner()
    drawn = set()
    for _ in range(8):
        async with house.open(owner) as stream:
            drawn.add((await stream.next()).retry)
    assert len(drawn) >= 4


async def test_a_good_cursor_goes_on_with_the_clients_own_id(house: House) -> None:
    owner = await house.owner()
    cursors = await house.clerk.emit(org=owner.org, count=6)
    async with house.open(owner, cursor=cursors[1], lastEventId="rubbish") as stream:
        blocks = await stream.until("stream.caught_up")
        assert (blocks[0].id, told(blocks[0])["resume"]) == (cursors[1], "ok")
        assert [block.id for block in blocks[1:-1]] == cursors[2:]
        assert told(blocks[-1]) == {"cursor": cursors[-1], "replayed": 4}
        await house.clerk.emit(org=owner.org, count=2, start=7)
        assert headlines([await stream.next(event="change.detected") for _ in range(2)]) == [7, 8]


@pytest.mark.parametrize("name", ["lastEventId", "last_event_id", "lastEventID"])
async def test_the_cursor_may_be_a_parameter_of_any_of_its_names(house: House, name: str) -> None:
    owner = await house.owner()
    cursors = await house.clerk.emit(org=owner.org, count=3)
    async with house.open(owner, **{name: cursors[0]}) as stream:
        assert headlines(await stream.until("stream.caught_up")) == [2, 3]
    async with house.open(owner, cursor=cursors[1], **{name: cursors[0]}) as stream:
        assert headlines(await stream.until("stream.caught_up")) == [3]


@pytest.mark.parametrize("cursor", ["", "x", "a.b.c", "1" * 3000, "null", "7f3a.-1.9c02e1aa"])
async def test_an_empty_or_malformed_cursor_opens_as_if_none_was_given(house: House, cursor: str) -> None:
    owner = await house.owner()
    good = (await house.clerk.emit(org=owner.org, count=2))[0]
    for told_by in ({"cursor": cursor, "lastEventId": good}, {"lastEventId": cursor}):
        async with house.open(owner, **told_by) as stream:
            blocks = await stream.until("stream.caught_up")
            assert told(blocks[0])["resume"] == "malformed"
            assert headlines(blocks) == []


@pytest.mark.parametrize("reason", ["epoch", "ahead", "truncated", "unknown"])
async def test_a_bad_cursor_gets_the_state_first_and_an_id_last(house: House, reason: str) -> None:
    owner = await house.owner()
    reports = await house.clerk.detect(org=owner.org, count=2)
    cursors = await house.clerk.emit(org=owner.org, count=30)
    await house.clerk.trim(org=owner.org, floor=10)
    epoch, head = cursors[-1].split(".")[0], cursors[-1]
    bad = {"epoch": "zz.999.00000001", "ahead": f"{epoch}.999.00000001", "truncated": f"{epoch}.4.00000001"}
    async with house.open(owner, cursor=bad.get(reason, f"{epoch}.20.00000001")) as stream:
        blocks = await stream.until("stream.caught_up")
    assert {**told(blocks[0]), "connectionId": "", "reconnectToken": ""} == {
        "cursor": None,
        "resume": "reset",
        "snapshot": True,
        "heartbeat": HEARTBEAT,
        "connectionId": "",
        "reconnectToken": "",
    }
    assert (blocks[1].event, told(blocks[1])) == ("stream.reset", {"reason": reason})
    state = blocks[2:-1]
    assert [block.event for block in state] == ["change.detected", "change.stateChanged"] * 2
    assert [told(block)["changeReportId"] for block in state[::2]] == reports
    assert [block.id for block in blocks] == [None] * (len(blocks) - 1) + [head]
    assert told(blocks[-1]) == {"cursor": head, "replayed": 0}


async def test_another_orgs_cursor_is_a_reset_and_brings_nothing_of_it(house: House) -> None:
    owner, other = await house.owner(), await house.owner()
    foreign = await house.clerk.emit(org=other.org, count=5)
    async with house.open(owner, cursor=foreign[0]) as stream:
        blocks = await stream.until("stream.caught_up")
    assert told(blocks[1]) == {"reason": "epoch"}
    assert headlines(blocks) == []


async def test_types_keep_only_these_and_blank_keeps_all(house: House) -> None:
    owner = await house.owner()
    start = await house.clerk.head(org=owner.org)
    await house.clerk.emit(org=owner.org, count=2)
    await house.clerk.whisper(org=owner.org, to=owner.user)
    async with house.open(owner, cursor=start, types="change.stateChanged") as stream:
        blocks = await stream.until("stream.caught_up")
        assert [block.event for block in blocks] == ["stream.open", "change.stateChanged", "stream.caught_up"]
    async with house.open(owner, cursor=start, types="") as stream:
        assert len(await stream.until("stream.caught_up")) == 5
    async with house.open(owner, types="change.detected,no.such") as stream:
        error = (await stream.json())["error"]
        assert (stream.status, error["code"], error["details"]) == (400, "validation-failed", {"types": ["no.such"]})


async def test_a_newer_connection_of_the_same_page_ends_the_older_one_only(house: House) -> None:
    owner = await house.owner()
    other = await house.member(owner.org)
    async with (
        house.open(owner, connection="tab-1") as older,
        house.open(owner, connection="tab-2") as second_tab,
        house.open(owner) as unnamed,
        house.open(other, connection="tab-1") as of_another,
    ):
        streams = [older, second_tab, unnamed, of_another]
        for stream in streams:
            await stream.until("stream.caught_up")
        async with house.open(owner, connection="tab-1") as newer:
            closing = (await older.rest())[-1]
            assert closing.event == "stream.closing"
            assert told(closing) == {"reason": "superseded", "reconnect": False, "retryMs": closing.retry}
            assert older.clean
            await newer.until("stream.caught_up")
            await house.clerk.emit(org=owner.org, count=1)
            for stream in (second_tab, unnamed, of_another, newer):
                assert headlines([await stream.next(event="change.detected")]) == [1]


async def test_head_answers_like_get_and_ends(house: House) -> None:
    owner = await house.owner()
    async with house.open(owner, method="HEAD") as stream:
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert await stream.body() == b""
    async with house.open(method="HEAD") as stream:
        assert stream.status == 401


@pytest.mark.parametrize("path", ["/v1/stream", "/v1/stream/", "/v1/stream/poll", "/v1/events"])
async def test_preflight_is_for_listed_origins(house: House, path: str) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    for origin in (LISTED, "https://evil.example", "null", f"{LISTED}.evil.example"):
        async with house.open(path=path, method="OPTIONS", headers={"Origin": origin, **asked}) as stream:
            assert stream.status == 204
            granted = {n: v for n, v in stream.headers.items() if n.startswith("access-control-")}
            assert stream.headers["vary"] == VARY
            if origin != LISTED:
                assert granted == {}
                continue
            assert granted["access-control-allow-origin"] == LISTED
            assert granted["access-control-allow-credentials"] == "true"
            assert set(granted["access-control-allow-headers"].split(", ")) == {
                *("Authorization", "Last-Event-ID", "X-Request-ID", "Cache-Control")
            }
            assert granted["access-control-expose-headers"] == "X-Request-ID, Retry-After"


async def test_a_stream_for_a_listed_origin_says_so(house: House) -> None:
    owner = await house.owner()
    async with house.open(owner, headers={"Origin": LISTED}) as stream:
        assert stream.headers["access-control-allow-origin"] == LISTED
    async with house.open(owner, headers={"Origin": "https://evil.example"}) as stream:
        assert stream.status == 200
        assert "access-control-allow-origin" not in stream.headers


async def test_a_trailing_slash_is_the_same_route(house: House) -> None:
    owner = await house.owner()
    async with house.open(owner, path="/v1/stream/") as stream:
        assert (await stream.next()).event == "stream.open"


async def test_the_log_restored_under_open_streams_resets_them_and_they_go_on(house: House) -> None:
    owner = await house.owner()
    cursors = await house.clerk.emit(org=owner.org, count=8)
    async with house.open(owner) as one, house.open(owner, types="change.detected") as two:
        for stream in (one, two):
            await stream.until("stream.caught_up")
        await house.clerk.rewind(org=owner.org, sequence=5)
        for stream in (one, two):
            assert told(await stream.next(event="stream.reset")) == {"reason": "ahead"}
            assert (await stream.next(event="stream.caught_up")).id == cursors[4]
        await house.clerk.emit(org=owner.org, count=1, start=99)
        for stream in (one, two):
            assert headlines([await stream.next(event="change.detected")]) == [99]
