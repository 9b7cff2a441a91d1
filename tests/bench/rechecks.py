"""What the re-check of all open streams costs one process, and how long it keeps the loop from everything else.

    python -m tests.bench.rechecks [--streams 10000] [--database sqlite|postgres] [--by token|cookie] [--per-org 100]

Streams are opened in this process's loop through the whole application, each by a user and a credential of its own;
their `send` takes everything at once. Rounds are then counted for their 5 s each, beside a ticker of 1 ms. CPU is the
threads' own, so that a busy machine makes the other figures late rather than this one wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from importlib import import_module
from typing import Any

from tests.environment import isolate
from tests.servers import fresh_database

ROUNDS = 5
CONNECTS_AT_ONCE = 200


def people(streams: int, per_org: int, by: str) -> list[tuple[bytes, bytes]]:
    """Make orgs and their members, and return the header by which each signs in."""
    from redline.workspaces.models import Membership, Org, User
    from streaming.models import ApiToken

    numbers = range(streams)
    orgs = [Org(slug=f"org-{number}", name=f"Org {number}") for number in range(-(-streams // per_org))]
    users = [User(username=f"user-{number}", password="x") for number in numbers]
    Org.objects.bulk_create(orgs)
    User.objects.bulk_create(users)
    members = [Membership(org=orgs[number // per_org], user=users[number]) for number in numbers]
    Membership.objects.unstreamed().bulk_create(members)
    if by == "cookie":
        return [(b"cookie", f"sessionid={key}".encode()) for key in sign_in(users)]
    secrets = [f"rl_secret-of-{number}" for number in numbers]
    ApiToken.objects.bulk_create(
        ApiToken(digest=ApiToken.digest_of(secret), hint="secret", user=member.user, org=member.org_id)
        for secret, member in zip(secrets, members, strict=True)
    )
    return [(b"authorization", f"Bearer {secret}".encode()) for secret in secrets]


def sign_in(users: Iterable[Any]) -> list[str]:
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.utils import timezone

    store = import_module(settings.SESSION_ENGINE).SessionStore()
    model = store.model
    rows = []
    for number, user in enumerate(users):
        data = {
            SESSION_KEY: user.pk,
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
        expires = timezone.now() + timedelta(days=1)
        rows.append(model(session_key=f"session-{number:024}", session_data=store.encode(data), expire_date=expires))
    model.objects.bulk_create(rows)
    return [row.session_key for row in rows]


async def take(message: dict[str, Any]) -> None:
    """A client that reads at once."""


class Client:
    """One stream, open until the program ends."""

    def __init__(self, application: Any, header: tuple[bytes, bytes]) -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/v1/stream",
            "query_string": b"",
            "headers": [header],
            "client": ("127.0.0.1", 1),
        }
        self.opened = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(application(scope, self.receive, self.send))

    async def receive(self) -> dict[str, Any]:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("unreachable")

    async def send(self, message: dict[str, Any]) -> None:
        if not self.opened.done() and b"stream.caught_up" in message.get("body", b""):
            self.opened.set_result(None)
        assert message.get("status", 200) == 200, message


class Ticker:
    """Notes the longest time for which a timer of 1 ms had to wait for its turn."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.begin()
        self._again()

    def begin(self) -> None:
        self._last = time.perf_counter()
        self.gaps: list[float] = []

    def _again(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now
        self._loop.call_later(0.001, self._again)

    def told(self) -> str:
        gaps = sorted(self.gaps)
        return f"p99 {1000 * gaps[int(0.99 * len(gaps))]:.1f} ms, longest {1000 * gaps[-1]:.1f} ms"


class Counted:
    """Counts what the look-ups cost the threads that run them."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.cpu = self.seconds = 0.0
        self.streams = 0

    def __call__(self, some: list[Any]) -> Any:
        self.streams += len(some)
        cpu, begun = time.thread_time(), time.perf_counter()
        try:
            return self.function(some)
        finally:
            self.cpu += time.thread_time() - cpu
            self.seconds += time.perf_counter() - begun


async def measure(headers: list[tuple[bytes, bytes]]) -> None:
    from redline.asgi import application
    from streaming import conf, opening
    from streaming.asgi import lifespan

    process = lifespan.current()
    begun, cpu = time.perf_counter(), time.process_time()
    clients: list[Client] = []
    for start in range(0, len(headers), CONNECTS_AT_ONCE):
        some = [Client(application, header) for header in headers[start : start + CONNECTS_AT_ONCE]]
        await asyncio.gather(*(one.opened for one in some))
        clients += some
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    count = len(process.sessions)
    print(f"{count} streams opened: {count / seconds:,.0f} a second, {1e6 * cpu / count:.0f} µs of CPU each")
    gc.collect()
    gc.freeze()
    ticker = Ticker()
    await asyncio.sleep(3)
    print(f"  at rest            loop: {ticker.told()}")
    for _ in range(ROUNDS):
        counted = opening.standings = Counted(opening.standings)
        ticker.begin()
        cpu = time.process_time()
        await asyncio.sleep(conf.streaming.RECHECK_EVERY)
        cpu = time.process_time() - cpu
        opening.standings = counted.function
        print(
            f"  {counted.streams} looked at   loop: {ticker.told()}; bridge threads {1000 * counted.cpu:.0f} ms of CPU"
            f" in {1000 * counted.seconds:.0f} ms; process {1000 * cpu:.0f} ms of CPU"
        )
    assert len(process.sessions) == count, "a round has ended streams"
    for client in clients:
        client.task.cancel()
    await asyncio.gather(*(client.task for client in clients), return_exceptions=True)
    await lifespan.stop_all()


def main() -> None:
    parser = argparse.ArgumentParser(description="What the re-check of all open streams costs.")
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--by", choices=["token", "cookie"], default="token")
    parser.add_argument("--per-org", type=int, default=100)
    options = parser.parse_args()
    isolate()
    os.environ["DATABASE_URL"] = fresh_database(options.database)
    limits = ("STREAM_MAX_PER_USER", "STREAM_MAX_PER_ORG", "STREAM_MAX_PER_ADDRESS", "STREAM_MAX_PER_PROCESS")
    os.environ.update(dict.fromkeys(limits, "0"))

    import django

    django.setup()
    headers = people(options.streams, options.per_org, options.by)
    print(f"{options.database}, by {options.by}:")
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(headers))


if __name__ == "__main__":
    main()
