"""Many subscribers in one process: raw asyncio protocols that only count, so that the server is what is measured.

    python -m tests.bench.subscribers PORT TOKEN COUNT EVENTS

Prints `ready` once all are caught up, then, when each has had EVENTS events or nothing came for 10 s, one JSON line:
deliveries, seconds from the first to the last, and how many subscribers had all of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

MARK = b"\nevent: change.detected\n"
CAUGHT_UP = b"\nevent: stream.caught_up\n"
SILENCE = 10.0


class Subscriber(asyncio.Protocol):
    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.events = 0
        self.ready = False
        self.tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self.crowd.request)

    def data_received(self, data: bytes) -> None:
        data = self.tail + data
        self.tail = data[-(len(MARK) - 1) :]
        if not self.ready and CAUGHT_UP in data:
            self.ready = True
            self.crowd.one_ready()
        found = data.count(MARK)
        if found:
            self.events += found
            self.crowd.received(found, complete=self.events >= self.crowd.events)


class Crowd:
    def __init__(self, *, port: int, token: str, count: int, events: int) -> None:
        self.request = f"GET /v1/stream?token={token} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode()
        self.port, self.count, self.events = port, count, events
        self.subscribers = [Subscriber(self) for _ in range(count)]
        self.ready = self.complete = self.deliveries = 0
        self.first = self.last = 0.0
        self.all_ready = asyncio.Event()
        self.done = asyncio.Event()

    def one_ready(self) -> None:
        self.ready += 1
        if self.ready == self.count:
            self.all_ready.set()

    def received(self, found: int, *, complete: bool) -> None:
        self.last = time.perf_counter()
        self.first = self.first or self.last
        self.deliveries += found
        if complete:
            self.complete += 1
            if self.complete == self.count:
                self.done.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for subscriber in self.subscribers:
            await loop.create_connection(lambda one=subscriber: one, "127.0.0.1", self.port)
        await asyncio.wait_for(self.all_ready.wait(), 60)
        print("ready", flush=True)
        while not self.done.is_set():
            if self.last and time.perf_counter() - self.last > SILENCE:
                break
            await asyncio.sleep(0.05)
        print(
            json.dumps(
                {"deliveries": self.deliveries, "seconds": self.last - self.first, "complete": self.complete},
            ),
            flush=True,
        )


if __name__ == "__main__":
    port, token, count, events = sys.argv[1:]
    asyncio.run(Crowd(port=int(port), token=token, count=int(count), events=int(events)).run())
