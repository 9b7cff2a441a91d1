"""The launcher: what it refuses, and that what it starts serves streams as it should."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from streaming.management.commands import serve
from tests.acceptance.house import Clerk, Member, headlines
from tests.environment import PYTHON, ROOT, for_child
from tests.leftovers import directory
from tests.processes import free_port
from tests.servers import Server, fresh_database, manage
from tests.sse_client import SSE

pytestmark = pytest.mark.servers


@contextmanager
def launched(*arguments: str, database_url: str, port: int = 0, **env: str) -> Iterator[Server]:
    """Start a server by the launcher, from another directory than the project's."""
    server = Server(
        [PYTHON, str(ROOT / "manage.py"), "serve", *(["--port", str(port)] if port else []), *arguments],
        name="serve",
        env=for_child({"DATABASE_URL": database_url, **env}),
        port=port,
    )
    server._cwd = Path("/")
    try:
        yield server.start() if port else _spawned(server)
    finally:
        server.terminate()


def _spawned(server: Server) -> Server:
    server.spawn()
    return server


@pytest.mark.parametrize(
    "arguments", [["--server", "daphne"], ["--", "--workers", "2"]], ids=["daphne", "uvicorn with 2 workers"]
)
async def test_what_it_starts_serves_streams_and_says_nothing_of_their_queries(arguments: list[str]) -> None:
    database_url = fresh_database()
    clerk = Clerk(database_url)
    owner = Member(**await clerk.org())
    with launched(*arguments, database_url=database_url, port=free_port()) as server:
        assert "manage.py" not in " ".join(server.family()[0].cmdline()), "the process that was started is the server"
        async with SSE.open(f"{server.url}/v1/stream?token={owner.token}&types=change.detected") as stream:
            await stream.until("stream.caught_up")
            await clerk.emit(org=owner.org, count=3)
            assert headlines([await stream.next(event="change.detected") for _ in range(3)]) == [1, 2, 3]
            ending = asyncio.create_task(asyncio.to_thread(server.terminate, within=10))
            assert (await stream.rest())[-1].event == "stream.closing"
        assert await ending in (0, -15)
        assert owner.token not in server.log()
        if arguments[-1] != "daphne":
            assert "/v1/stream" not in server.log(), "uvicorn's access log is off"
    clerk.close()


async def test_uvicorn_believes_no_forwarded_address_by_itself() -> None:
    with launched(database_url=fresh_database(), port=free_port(), STREAM_CONNECTS_PER_SECOND="1") as server:
        for _ in range(4):  # a stranger's address would be refused at the second; loopback is exempt
            async with SSE.open(f"{server.url}/v1/stream", headers={"X-Forwarded-For": "192.0.2.7"}) as answer:
                assert answer.status == 401


@pytest.mark.parametrize("kind", [pytest.param("daphne", marks=pytest.mark.long), "uvicorn"])
def test_on_a_unix_socket_it_takes_the_place_of_one_that_was_killed(kind: str) -> None:
    path = directory() / f"{kind}.sock"
    database_url = fresh_database()
    for _ in range(2):
        with launched("--server", kind, "--unix", str(path), database_url=database_url) as server:
            server.wait_until(lambda: answers(path), within=30, what="200 from /healthz")
            assert path.stat().st_mode & 0o777 == 0o666
            second = manage("serve", "--server", kind, "--unix", str(path), database_url=database_url)
            assert second.returncode == 1
            assert len(second.stderr.splitlines()) == 1, second.stderr
            assert answers(path)
            server.kill()


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(path))
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return b" 200 " in client.recv(100)
        except OSError:
            return False


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--server", "daphne", "--", "--http-timeout", "30"], 2, "--http-timeout would end every stream"),
        (["--server", "daphne", "--", "-t30"], 2, "--http-timeout would end every stream"),
        (["--server", "daphne", "--", "--http-time=30"], 2, "--http-timeout would end every stream"),
        (["--port", "0"], 2, "--port is 1 to 65535, not 0."),
        (["--port", "65536"], 2, "--port is 1 to 65535, not 65536."),
        (["--host", "192.0.2.1"], 1, "Cannot listen on 192.0.2.1:8000"),
        (["--host", "no-such-host.invalid"], 1, "Cannot listen on no-such-host.invalid:8000"),
        (["--unix", "/no/such/directory/socket"], 1, "Cannot listen on /no/such/directory/socket"),
    ],
)
def test_what_cannot_work_is_one_line(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.setattr(os, "execve", lambda *args: pytest.fail("it was started"))
    with pytest.raises(CommandError) as refused:
        call_command("serve", *arguments)
    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert refused.value.returncode == code


class Started(Exception):
    """In place of becoming another program."""


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_what_the_caller_adds_comes_behind_ours_and_wins(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    def execve(path: str, argv: list[str], env: dict[str, str]) -> None:
        assert (path, argv[:3]) == (sys.executable, [sys.executable, "-m", kind])
        assert env["PYTHONPATH"].split(os.pathsep)[0] == sys.path[0]
        raise Started(argv)

    monkeypatch.setattr(os, "execve", execve)
    more = ["-v", "0"] if kind == "daphne" else ["--access-log", "--workers", "3"]
    with pytest.raises(Started) as started:
        call_command("serve", "--server", kind, "--port", str(free_port()), "--grace", "9", "--", *more)
    argv = started.value.args[0]
    assert argv[-len(more) - 1 :] == [*more, "redline.asgi:application"]
    if kind == "uvicorn":
        assert argv[argv.index("--timeout-graceful-shutdown") + 1] == "9"
        os.close(int(argv[argv.index("--fd") + 1]))


def test_a_taken_port_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = manage("serve", "--port", str(port), database_url="sqlite://:memory:")
    assert done.returncode == 1
    assert done.stderr == f"Cannot listen on 127.0.0.1:{port}: Address already in use.\n"


def test_a_project_without_an_asgi_application_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "settings", object())
    with pytest.raises(CommandError, match="ASGI_APPLICATION"):
        serve.application()


def test_small_events_do_not_wait_for_each_other() -> None:
    with serve.listen("127.0.0.1", free_port()) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
