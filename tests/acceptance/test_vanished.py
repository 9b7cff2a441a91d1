"""Peers that vanish: their cable is pulled, and nobody hears from them again."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.acceptance.house import Clerk, Member
from tests.environment import PYTHON, ROOT, for_child
from tests.namespaces import Neighbour
from tests.processes import Process, free_port
from tests.servers import Server, fresh_database
from tests.sse_client import SSE

pytestmark = [pytest.mark.servers, pytest.mark.long, pytest.mark.timeout(180)]

SERVERS = {
    "uvicorn": ["--server", "uvicorn"],
    "uvicorn with two workers": ["--server", "uvicorn", "--", "--workers", "2"],
    "daphne": ["--server", "daphne"],
}
HEARTBEAT, GONE = 15, 35

READ = "import sys, urllib.request\nfor line in urllib.request.urlopen(sys.argv[1]): print(line.decode(), end='')"


class Scene:
    """One server by the launcher, one stream from over there that holds its user's only place."""

    def __init__(self, arguments: list[str], neighbour: Neighbour) -> None:
        self.database_url = fresh_database()
        self.clerk = Clerk(self.database_url)
        self.member = Member(**self.clerk.ask("org"))
        self.port = free_port()
        self.url = f"http://{neighbour.here}:{self.port}/v1/stream"
        self.server = Server(
            [PYTHON, "manage.py", "serve", "--host", neighbour.here, "--port", str(self.port), *arguments],
            name="serve",
            env=for_child(
                {
                    "DATABASE_URL": self.database_url,
                    "ALLOWED_HOSTS": neighbour.here,
                    "STREAM_MAX_PER_USER": "1",
                }
            ),
            port=self.port,
        )
        self.reader = Process(
            neighbour.there(PYTHON, "-u", "-c", READ, f"{self.url}?token={self.member.token}"),
            name="reader",
            env=for_child(),
            cwd=ROOT,
        )

    def start(self) -> None:
        self.server.spawn()
        self.server.wait_until(lambda: "startup complete" in self.server.log() or self._listens(), within=30, what="up")
        self.reader.spawn()
        self.reader.wait_for_output("stream.caught_up", within=20)

    def _listens(self) -> bool:
        return any(one.status == "LISTEN" for process in self.server.family() for one in process.net_connections("tcp"))

    @property
    def held(self) -> bool:
        """Tell whether any process of the server has the reader's connection open still."""
        return any(
            one.status == "ESTABLISHED" and one.raddr and one.laddr.port == self.port
            for process in self.server.family()
            for one in process.net_connections("tcp")
        )

    async def place_is_free(self) -> bool:
        async with SSE.open(self.url, headers=self.member.headers) as stream:
            return stream.status == 200

    def stop(self) -> None:
        self.reader.kill()
        self.server.terminate()
        self.clerk.close()


async def test_a_vanished_peer_is_gone_within_35_seconds_and_its_place_is_free() -> None:
    with Neighbour() as neighbour:
        scenes = {name: Scene(arguments, neighbour) for name, arguments in SERVERS.items()}
        try:
            await asyncio.to_thread(lambda: [scene.start() for scene in scenes.values()])
            for scene in scenes.values():
                await asyncio.to_thread(scene.reader.wait_for_output, ": heartbeat", within=HEARTBEAT + 1)
            assert all(scene.held for scene in scenes.values())
            neighbour.unplug()
            pulled = time.monotonic()
            gone: dict[str, float] = {}
            while len(gone) < len(scenes) and time.monotonic() < pulled + 60:
                for name, scene in scenes.items():
                    if name not in gone and not scene.held:
                        gone[name] = time.monotonic() - pulled
                        free = await scene.place_is_free()
                        assert free, f"{name}: its connection is closed and its place is taken"
                await asyncio.sleep(0.1)
            print({name: f"{seconds:.1f} s" for name, seconds in gone.items()})
            assert gone.keys() == scenes.keys(), {name: scene.server.tail() for name, scene in scenes.items()}
            assert max(gone.values()) <= GONE
        finally:
            for scene in scenes.values():
                scene.stop()
