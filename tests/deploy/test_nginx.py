"""nginx really in front of two workers, all by the files that are shipped, on PostgreSQL and Redis."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from streaming import conf
from tests.acceptance.house import Member, headlines
from tests.browser import chromium
from tests.deploy.files import read
from tests.deploy.host import Host
from tests.sse_client import SSE
from tests.sse_parser import Block, SSEParser

pytestmark = [pytest.mark.servers, pytest.mark.postgres]


@pytest.fixture(scope="module")
def running() -> Iterator[Host]:
    with Host(STREAM_MAX_PER_USER="0", STREAM_MAX_PER_ADDRESS="3") as one:
        yield one


@pytest.fixture
def host(running: Host) -> Iterator[Host]:
    """The host that all tests here share; what it said is shown beside a failure."""
    yield running
    print(running.tail())


def stream(host: Host, member: Member, *, query: str = "", **headers: str) -> Any:
    """Open a stream by HTTP/1.1 over TLS."""
    told = {**member.headers, **headers}
    return SSE.open(f"{host.front.url}/v1/stream{query}", headers=told, tls=host.front.tls)


@asynccontextmanager
async def browser(host: Host) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client that speaks HTTP/2, as browsers do."""
    async with httpx.AsyncClient(http2=True, verify=host.front.tls, base_url=host.front.url, timeout=20) as client:
        yield client


async def blocks(answer: httpx.Response) -> AsyncIterator[Block]:
    parser = SSEParser()
    async for data in answer.aiter_raw():
        for block in parser.feed(data, at=time.monotonic()):
            yield block


async def test_a_browser_gets_its_stream_by_http_2_and_its_first_bytes_at_once(host: Host) -> None:
    member = await host.owner()
    async with browser(host) as client:
        assert (await client.get("/healthz")).http_version == "HTTP/2"  # the handshake is not to count
        begun = time.monotonic()
        async with client.stream("GET", "/v1/stream", headers=member.headers) as answer:
            first = await anext(blocks(answer))
            took = time.monotonic() - begun
            assert answer.http_version == "HTTP/2"
            assert (answer.status_code, first.event) == (200, "stream.open")
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert took < 1, f"the first bytes took {took:.2f} s"


async def test_one_connection_of_a_browser_carries_many_streams_and_every_event_in_order(host: Host) -> None:
    member = await host.owner()
    async with browser(host) as client, AsyncExitStack() as stack:
        streams = []
        for _ in range(8):
            answer = await stack.enter_async_context(client.stream("GET", "/v1/stream", headers=member.headers))
            streams.append(blocks(answer))
            assert (await anext(streams[-1])).event == "stream.open"
        writing = asyncio.create_task(host.clerk.emit(org=member.org, count=300, rate=300))
        for each in streams:
            seen: list[int] = []
            async with asyncio.timeout(20):
                while len(seen) < 300:
                    seen += headlines([await anext(each)])
            assert seen == list(range(1, 301))
        await writing
        shares = [worker.connections() for worker in host.workers]
        assert min(shares) >= 4, f"the workers do not share the streams: {shares}"


async def test_a_worker_learns_that_a_client_has_hung_up(host: Host) -> None:
    member = await host.owner()
    async with stream(host, member) as one:
        await one.next(event="stream.open")
        during = host.connections()
        one.cut(reset=True)
        await asyncio.to_thread(host.wait_for_connections, during - 1)


@pytest.mark.browser
async def test_a_worker_learns_that_a_page_has_closed_one_of_the_streams_of_its_connection(host: Host) -> None:
    member = await host.owner()
    async with chromium() as one:
        page = await (await one.new_context(ignore_https_errors=True)).new_page()
        await page.goto(f"{host.front.url}/healthz")
        protocol = await page.evaluate(OPEN_TWO, f"/v1/stream?token={member.token}")
        assert protocol == "h2"
        during = host.connections()
        await page.evaluate("sources[0].close()")
        await asyncio.to_thread(host.wait_for_connections, during - 1)
        assert await page.evaluate("sources[1].readyState") == 1


OPEN_TWO = """async (url) => {
    window.sources = [new EventSource(url), new EventSource(url)]
    for (const source of sources)
        await new Promise((opened, failed) => { source.onopen = opened; source.onerror = failed })
    return performance.getEntriesByType("navigation")[0].nextHopProtocol
}"""


async def test_no_token_is_in_any_log_even_where_the_workers_fail(host: Host) -> None:
    member = await host.owner()
    query = f"?token={member.token}"
    async with SSE.open(f"{host.front.url}/v1/stream{query}", tls=host.front.tls) as one:
        await one.next(event="stream.open")
    plain = SSE.open(f"{host.front.plain_url}/v1/stream{query}")
    async with plain as answer:
        assert answer.status == 301
    for worker in host.workers:
        worker.process.freeze()
    try:
        async with SSE.open(f"{host.front.url}/v1/stream{query}", tls=host.front.tls, timeout=0.5):
            pass
    except TimeoutError:
        pass  # and nginx writes down that the client left
    finally:
        for worker in host.workers:
            worker.process.thaw()
    for worker in host.workers:
        worker.stop()
    try:
        async with SSE.open(f"{host.front.url}/v1/stream{query}", tls=host.front.tls) as answer:
            assert answer.status == 503
            assert (await answer.json())["error"]["code"] == "stream-unavailable"
            assert answer.headers["content-type"] == "application/json"
            assert int(answer.headers["retry-after"]) > 0
    finally:
        for worker in host.workers:
            worker.restart()
    said = host.front.said() + "".join(worker.process.log() for worker in host.workers)
    assert member.token not in said
    assert member.token[3:20] not in said
    log = host.front.access_log()
    assert log.count('"GET /v1/stream HTTP/1.1"') >= 4, log
    assert " 502, 502\n" in log, f"what went wrong stands nowhere: {log}"


class Resuming:
    """A client that behaves as a native EventSource does: comes back by itself, with the last id it has seen."""

    def __init__(self, host: Host, member: Member) -> None:
        self._host = host
        self._member = member
        self._cursor, self._retry = "", 0.0
        self.seen: list[int] = []
        self.reasons: set[str] = set()
        self.refused: list[int] = []
        self.connects = 0
        self.opened = asyncio.Event()

    async def until(self, last: int) -> None:
        """Follow until the event of that number has come."""
        while last not in self.seen:
            await asyncio.sleep(self._retry)
            self.connects += 1
            headers = {"Last-Event-ID": self._cursor} if self._cursor else {}
            async with stream(self._host, self._member, **headers) as one:
                if one.status != 200:
                    self.refused.append(one.status)
                    self._retry = 0.2
                    continue
                async for block in one:
                    self._take(block)
                    if last in self.seen:
                        return

    def _take(self, block: Block) -> None:
        self.opened.set()
        self._cursor = block.last_event_id
        if block.retry is not None:
            self._retry = block.retry / 1000
        assert block.event != "stream.reset", block
        if block.event == "stream.closing":
            self.reasons.add(json.loads(block.data or "")["reason"])
        self.seen += headlines([block])


async def test_a_rolling_restart_behind_nginx_sends_everybody_on_and_loses_nothing(host: Host) -> None:
    member = await host.owner()
    clients = [Resuming(host, member) for _ in range(20)]
    last = 100_000
    following = [asyncio.create_task(client.until(last)) for client in clients]
    await asyncio.gather(*(client.opened.wait() for client in clients))
    restarted = asyncio.Event()
    writing = asyncio.create_task(write_until(restarted, host, member, last=last))
    ends = [await asyncio.to_thread(worker.restart) for worker in host.workers]
    restarted.set()
    written = await writing
    async with asyncio.timeout(30):
        await asyncio.gather(*following)
    for client in clients:
        assert client.seen == [*range(1, written + 1), last]
        assert client.reasons <= {"shutdown"}
    returns = sum(client.connects - 1 for client in clients)
    assert returns >= len(clients), f"{returns} of {len(clients)} clients had to come back"
    refused = list(itertools.chain.from_iterable(client.refused for client in clients))
    assert not refused, f"a browser ends a stream for good at these answers: {refused}"
    assert max(ends) < host.workers[0].unit.patience, f"systemd would have killed a worker: {ends}"
    print(f"{written} events, {returns} returns, workers ended within {max(ends):.1f} s")


async def write_until(enough: asyncio.Event, host: Host, member: Member, *, last: int) -> int:
    """Emit 40 events a second until it is enough, then one numbered `last`; return how many came before it."""
    written = 0
    while not enough.is_set():
        await host.clerk.emit(org=member.org, count=20, start=written + 1, rate=40)
        written += 20
    await host.clerk.emit(org=member.org, start=last)
    return written


async def test_plain_http_is_sent_to_https_with_its_query(host: Host) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{host.front.plain_url}/v1/changes?limit=1")
    assert (answer.status_code, answer.headers["location"]) == (301, "https://localhost/v1/changes?limit=1")


async def test_what_a_client_claims_of_its_address_and_protocol_is_not_believed(host: Host) -> None:
    member = await host.owner()
    async with AsyncExitStack() as stack:
        for _ in range(8):  # three of an address are allowed to a worker, and loopback is exempt
            claimed = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http"}
            one = await stack.enter_async_context(stream(host, member, **claimed))
            assert one.status == 200, await one.body()
    async with browser(host) as client:
        page = await client.get("/sign-in", headers={"X-Forwarded-Proto": "http"})
    assert page.status_code == 200
    assert "Secure" in page.headers["set-cookie"]
    assert page.headers["strict-transport-security"].startswith("max-age=")


async def test_metrics_are_not_shown_to_the_world(host: Host) -> None:
    async with browser(host) as client:
        assert (await client.get("/metrics")).status_code == 404


async def test_a_file_that_nginx_does_not_have_comes_from_a_worker(host: Host) -> None:
    async with browser(host) as client:
        answer = await client.get("/static/admin/css/base.css")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/css")
        assert (await client.get("/static/no-such-file.css")).status_code == 404


async def test_a_body_that_is_too_large_is_refused_by_the_application_in_its_own_words(host: Host) -> None:
    member = await host.owner()
    async with browser(host) as client:
        answer = await client.post("/v1/vendors", headers=member.headers, json={"name": "x" * 100_000})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too-large")


def patience() -> int:
    """Return after how many seconds without a word nginx gives a worker up."""
    (seconds,) = re.findall(r"proxy_read_timeout (\d+)s;", read("nginx.conf"))
    return int(seconds)


def test_a_worker_that_is_only_quiet_is_not_given_up() -> None:
    heartbeat, poll = conf.streaming.EVENT_STREAM_HEARTBEAT_INTERVAL_MS / 1000, 25
    assert 2 * max(heartbeat, poll) < patience() <= 60


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_a_frozen_worker_does_not_keep_its_clients(host: Host) -> None:
    member = await host.owner()
    async with stream(host, member) as one:
        await one.next(event="stream.caught_up")
        for worker in host.workers:
            worker.process.freeze()
        begun = time.monotonic()
        try:
            await one.rest(timeout=patience() + 30)
        finally:
            for worker in host.workers:
                worker.process.thaw()
    took = time.monotonic() - begun
    print(f"let go after {took:.0f} s")
    assert took < patience() + 5, f"let go after {took:.0f} s"


async def test_a_request_that_finds_a_worker_gone_is_answered_by_the_other(host: Host) -> None:
    member = await host.owner()
    host.workers[0].stop()
    try:
        async with browser(host) as client:
            answers = [(await client.get("/v1/vendors", headers=member.headers)).status_code for _ in range(6)]
        assert answers == [200] * 6
    finally:
        await asyncio.to_thread(host.workers[0].restart)
