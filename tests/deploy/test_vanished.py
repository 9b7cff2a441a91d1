"""A browser whose host has vanished, behind nginx: by the kernel's settings that are shipped, in a namespace."""

from __future__ import annotations

import ssl
import time

import pytest

from tests.acceptance.house import Clerk, Member
from tests.deploy.files import filled, read
from tests.deploy.front import Front
from tests.deploy.host import Worker
from tests.namespaces import Neighbour
from tests.processes import Process, wait_until
from tests.servers import fresh_database
from tests.sse_client import SSE

pytestmark = [pytest.mark.servers, pytest.mark.long]


def apply_sysctl(neighbour: Neighbour) -> None:
    """Set over there what the file says, as sysctl does."""
    for line in read("sysctl.conf").splitlines():
        if not line.startswith("#"):
            name, value = (part.strip() for part in line.split("="))
            path = "/proc/sys/" + name.replace(".", "/")
            done = Process(neighbour.there("sh", "-c", f"echo {value} > {path}"), name="sysctl", env={})
            done.spawn()
            assert done.process.wait(5) == 0, done.log()
            done.terminate()


@pytest.mark.timeout(180)
async def test_a_client_that_vanished_gives_its_place_back_within_35_seconds() -> None:
    database = fresh_database()
    told = {**filled(), "DATABASE_URL": database, "CHANNELS_URL": "inmemory://", "CACHE_URL": "locmemcache://"}
    with Neighbour() as neighbour:
        apply_sysctl(neighbour)
        worker = Worker({**told, "LISTEN": neighbour.far}, through=neighbour.there)
        upstream = f"upstream redline {{ server {neighbour.far}:{worker.port} max_fails=0; keepalive 4; }}"
        clerk = Clerk(database)
        try:
            with Front(upstream=upstream, name="vanished", address=neighbour.far, through=neighbour.there) as front:
                member = Member(**await clerk.org())
                trusting = ssl._create_unverified_context()  # the certificate is not for this address
                url = f"https://{neighbour.far}:{front.port}/v1/stream"
                async with SSE.open(url, headers=member.headers, tls=trusting) as one:
                    await one.next(event="stream.caught_up")
                    neighbour.unplug()
                    begun = time.monotonic()
                    wait_until(lambda: worker.connections() == 0, within=60, what="nobody is connected", every=0.2)
                    took = time.monotonic() - begun
                    one.cut()
        finally:
            clerk.close()
            worker.stop()
    print(f"gone after {took:.0f} s")
    assert took <= 35, f"gone after {took:.0f} s"
