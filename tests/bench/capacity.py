"""What a process, Redis and PostgreSQL pay for each connection, delivery, poke, poll and event: for `SCALING.md`.

    python -m tests.bench.capacity [--streams 2000]

One uvicorn worker on a real PostgreSQL and Redis, clients and writers in other processes; where there are two
processors the worker has one to itself. CPU is the worker's own, from the operating system, so that a busy machine
makes the figures late rather than wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg
import redis

from tests import services
from tests.bench.pacing import PAYLOAD, pin
from tests.environment import PYTHON, ROOT, for_child
from tests.servers import Server, fresh_database, manage, serve

IDLE_SECONDS = 30


@dataclass(kw_only=True)
class House:
    """A worker with its database and layer."""

    database: str
    layer: str
    token: str
    server: Server

    @property
    def cpu(self) -> float:
        """CPU seconds of the worker so far."""
        times = psutil.Process(self.server.pid).cpu_times()
        return float(times.user + times.system)

    @property
    def memory(self) -> float:
        """Resident memory of the worker in KiB."""
        return psutil.Process(self.server.pid).memory_info().rss / 1024


@contextlib.contextmanager
def house() -> Iterator[House]:
    database = fresh_database("postgres")
    layer = services.redis().url.replace("redis://", "redis+pubsub://")
    token = manage("token", "acme", "owner", "--create", database_url=database).stdout.strip()
    env = {"STREAM_MAX_PER_USER": "0", "STREAM_MAX_PER_ORG": "0"}
    with serve("uvicorn", database_url=database, channels_url=layer, env=env) as server:
        pin(server.pid, first=True)
        yield House(database=database, layer=layer, token=token, server=server)


@contextlib.contextmanager
def crowd(house: House, count: int, events: int) -> Iterator[subprocess.Popen[str]]:
    """Open so many streams and hold them until the block ends."""
    arguments = [str(house.server.port), house.token, str(count), str(events)]
    process = subprocess.Popen(
        [PYTHON, "-m", "tests.bench.subscribers", *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    pin(process.pid, first=False)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield process
    finally:
        process.kill()
        process.wait()


def emit(house: House, count: int, *, rate: float | None = None) -> None:
    pace = ["--rate", str(rate)] if rate else []
    done = manage(
        *("emit", "acme", "change.detected", PAYLOAD, "--count", str(count), *pace),
        database_url=house.database,
        channels_url=house.layer,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr


def connections(streams: int) -> None:
    """A connection: CPU to open it, memory while it is idle, CPU of a minute of it."""
    with house() as one, crowd(one, 50, 1):  # what is loaded on first use is loaded
        memory, cpu, begun = one.memory, one.cpu, time.monotonic()
        with crowd(one, streams, 1):
            seconds = time.monotonic() - begun
            opened = one.cpu - cpu
            time.sleep(2)
            held = one.memory - memory
            cpu, begun = one.cpu, time.monotonic()
            time.sleep(IDLE_SECONDS)
            idle = (one.cpu - cpu) / (time.monotonic() - begun)
    say("opening a stream", f"{1e6 * opened / streams:.0f} µs of CPU; {streams / seconds:,.0f} a second came")
    say("an idle stream", f"{held / streams:.1f} KiB; {1e6 * 60 * idle / streams:.0f} µs of CPU a minute")


def deliveries(streams: int) -> None:
    """A delivery: CPU of the worker, when events come one at a time and when they come in a burst."""
    with house() as one:
        for name, count, rate in (("at 50 events/s", 500, 50.0), ("in a burst", 5_000, None)):
            with crowd(one, streams, count) as clients:
                cpu = one.cpu
                emit(one, count, rate=rate)
                assert clients.stdout is not None
                result = json.loads(clients.stdout.readline())
                each = 1e6 * (one.cpu - cpu) / result["deliveries"]
            say(f"a delivery {name}", f"{each:.2f} µs of CPU ({result['deliveries']:,} to {streams:,} streams)")


def pokes(streams: int) -> None:
    """A poke: what Redis spends on publishing one."""
    with house() as one, crowd(one, streams, 500):
        client = redis.Redis.from_url(services.redis().url)
        client.config_resetstat()
        emit(one, 500, rate=100)
        stats: Any = client.info("commandstats")
        client.close()
    published = stats.get("cmdstat_publish", {"calls": 0, "usec_per_call": 0.0})
    say("a poke", f"{published['usec_per_call']:.1f} µs of Redis; {published['calls']} for 500 events at 100/s")


HEADS = """
import time
from streaming import log
from streaming.models import Head
import sys
count = int(sys.argv[1])
Head.objects.bulk_create([Head(org=f"o{n}", epoch="e") for n in range(count)], ignore_conflicts=True)
orgs = [f"o{n}" for n in range(count)]
log.heads(orgs)
spent = []
for _ in range(20):
    begun = time.perf_counter(); log.heads(orgs); spent.append(time.perf_counter() - begun)
print(1000 * sorted(spent)[10])
"""


def polls() -> None:
    """A poll of the heads: one statement a process and second, however many streams; its cost is by the org."""
    database = fresh_database("postgres")
    for orgs in (10, 1_000, 10_000, 100_000):
        done = subprocess.run(
            [PYTHON, "-c", f"import django; django.setup()\n{HEADS}", str(orgs)],
            cwd=ROOT,
            env=for_child({"DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "redline.settings"}),
            capture_output=True,
            text=True,
            check=True,
        )
        say(f"a poll of {orgs:,} heads", f"{float(done.stdout):.1f} ms, PostgreSQL and Python together")


def events() -> None:
    """An event: bytes of table, index and write-ahead log."""
    with house() as one, psycopg.connect(one.database, autocommit=True) as database:

        def ask(question: str) -> int:
            return int(str(database.execute(question).fetchone()[0]))  # type: ignore[index, call-overload]

        size = "SELECT pg_total_relation_size('streaming_logentry')"
        wal = "SELECT pg_current_wal_lsn() - '0/0'"
        before, written = ask(size), ask(wal)
        emit(one, 20_000)
        disk, log = (ask(size) - before) / 20_000, (ask(wal) - written) / 20_000
        say("an event", f"{disk:.0f} bytes on disk, {log:.0f} of write-ahead log")


def say(what: str, figure: str) -> None:
    print(f"{what:28} {figure}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=2_000)
    streams = parser.parse_args().streams
    print(f"{psutil.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before")
    connections(streams)
    deliveries(min(streams, 1_000))
    pokes(100)
    polls()
    events()


if __name__ == "__main__":
    main()
