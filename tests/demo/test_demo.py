"""`manage.py demo` as its users meet it: a process, a port, a stream."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals

import httpx
import pytest

from tests.demo.running import LAST_LINE, STARTS_WITHIN, RunningDemo, running
from tests.processes import free_port
from tests.servers import manage
from tests.sse_client import SSE

pytestmark = pytest.mark.servers

KINDS = {
    "scheduler.tick",
    "run.stage",
    "change.detected",
    "action.delivered",
    "change.stateChanged",
    "org.entitlements.changed",
}


@pytest.fixture(scope="module")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('demo') / 'demo.sqlite3'}"


@pytest.fixture(scope="module")
def demo(database_url: str) -> Iterator[RunningDemo]:
    with running(database_url) as demo:
        yield demo


async def events(demo: RunningDemo, wanted: set[str], *, within: float) -> list[tuple[str, dict[str, object]]]:
    """Follow the stream until each wanted kind has come."""
    came: list[tuple[str, dict[str, object]]] = []
    async with SSE.open(f"{demo.url}/v1/stream", headers={"Authorization": f"Bearer {demo.token}"}) as stream:
        assert stream.status == 200
        async with asyncio.timeout(within):
            while wanted - {kind for kind, _ in came}:
                block = await stream.next(timeout=within)
                if block.event:
                    came.append((block.event, json.loads(block.data)))
    return came


@pytest.mark.timeout(200)
async def test_all_six_kinds_of_event_flow_within_ninety_seconds(demo: RunningDemo) -> None:
    came = await events(demo, KINDS, within=90)
    moved = [data for kind, data in came if kind == "change.stateChanged"]
    assert all(str(data["by"]).startswith("usr_") and data["by"] != "usr_system" for data in moved)
    failed = [data for kind, data in came if kind == "run.stage" and data["status"] == "failed"]
    assert all(data["stage"] == "fetch" for data in failed), "nothing but the page that is away may fail"


@pytest.mark.timeout(200)
async def test_changes_are_real_and_their_actions_arrive(demo: RunningDemo) -> None:
    headers = {"Authorization": f"Bearer {demo.token}"}
    await events(demo, {"change.detected", "action.delivered"}, within=90)
    async with httpx.AsyncClient(base_url=demo.url, headers=headers, trust_env=False) as client:
        changes = (await client.get("/v1/changes")).json()["results"]
    assert changes
    citation = changes[-1]["changes"][0]["citations"][0]
    assert citation["url"].startswith(demo.sites_url), "it cites the page on which it was found"
    demo.wait_until(lambda: bool(received(demo)), within=60, what="a message in /hooks or /mail")


@pytest.mark.timeout(200)
@pytest.mark.long
async def test_a_page_that_is_away_fails_its_run_and_says_nothing_in_the_terminal(demo: RunningDemo) -> None:
    headers = {"Authorization": f"Bearer {demo.token}"}
    async with SSE.open(f"{demo.url}/v1/stream?types=run.stage", headers=headers) as stream:
        async with asyncio.timeout(120):
            async for block in stream:
                if block.event == "run.stage" and json.loads(block.data)["status"] == "failed":
                    break
    assert json.loads(block.data)["stage"] == "fetch"
    assert demo.log().endswith(f"{LAST_LINE}\n")


def received(demo: RunningDemo) -> list[dict[str, str]]:
    return [
        message
        for kind in ("hooks", "mail")
        for message in httpx.get(f"{demo.sites_url}/{kind}.json", trust_env=False).json()
    ]


def test_the_line_to_paste_works(demo: RunningDemo) -> None:
    curl = subprocess.Popen([*demo.curl, "--silent"], stdout=subprocess.PIPE, text=True)
    try:
        assert curl.stdout is not None
        lines = iter(curl.stdout.readline, "")
        assert next(line for line in lines if line.startswith("event:")) == "event: stream.open\n"
    finally:
        curl.kill()
        curl.communicate()


def test_the_printed_users_can_sign_in(demo: RunningDemo) -> None:
    with httpx.Client(base_url=demo.url, trust_env=False) as client:
        client.get("/admin/login/")
        answer = client.post(
            "/admin/login/?next=/admin/",
            data={
                "username": "owner",
                "password": demo.password,
                "csrfmiddlewaretoken": client.cookies["csrftoken"],
            },
        )
        assert (answer.status_code, answer.headers.get("location")) == (302, "/admin/")
        assert client.get("/admin/").status_code == 200


def test_static_files_are_served_as_in_production(demo: RunningDemo) -> None:
    answer = httpx.get(f"{demo.url}/static/admin/css/base.css", trust_env=False)
    assert (answer.status_code, answer.headers["content-type"]) == (200, 'text/css; charset="utf-8"')


def test_a_taken_port_is_one_line_and_nothing_is_written(demo: RunningDemo, tmp_path: Path) -> None:
    file = tmp_path / "untouched.sqlite3"
    done = manage("demo", "--port", str(demo.port), "--no-browser", database_url=f"sqlite:///{file}")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"Something else is listening on port {demo.port} of 127.0.0.1" in done.stderr
    assert not file.exists()


@pytest.mark.timeout(120)
def test_everything_is_printed_before_anybody_is_answered(tmp_path: Path) -> None:
    demo = RunningDemo(f"sqlite:///{tmp_path / 'demo.sqlite3'}", "--no-browser", port=free_port())
    demo.spawn()
    seen: list[tuple[bool, bool]] = []

    def serves() -> bool:
        # In this order: what answers at the first look must have been printed by the second.
        answers = demo.answers()
        seen.append((answers, LAST_LINE in demo.log()))
        return answers

    try:
        demo.wait_until(serves, within=STARTS_WITHIN, what="a listening port")
        assert (True, False) not in seen
        assert demo.log().count(demo.token) == 2, "on a line of its own and in the line to paste"
        assert f"{demo.url}/" in demo.log()
    finally:
        demo.kill()


@pytest.mark.timeout(150)
@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
async def test_a_signal_ends_it_within_three_seconds_and_streams_are_told(number: Signals, tmp_path: Path) -> None:
    with running(f"sqlite:///{tmp_path / 'demo.sqlite3'}") as demo:
        url = f"{demo.url}/v1/stream"
        async with SSE.open(url, headers={"Authorization": f"Bearer {demo.token}"}) as stream:
            await stream.next(event="run.stage", timeout=30)
            code, seconds = await asyncio.to_thread(demo.end, number, within=10)
            closing = await stream.next(event="stream.closing", timeout=5)
        assert (code, json.loads(closing.data)["reason"]) == (0, "shutdown")
        assert seconds < 3
        assert "Traceback" not in demo.log()
        assert demo.log().endswith(f"{LAST_LINE}\n"), "nothing is said after the greeting"


@pytest.mark.timeout(150)
def test_sigint_ends_it_in_a_shells_background_too(tmp_path: Path) -> None:
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    with running(f"sqlite:///{tmp_path / 'demo.sqlite3'}", before=ignoring) as demo:
        assert demo.end(SIGINT, within=10)[0] == 0


@pytest.mark.timeout(60)
def test_a_signal_ends_it_while_it_starts(tmp_path: Path) -> None:
    demo = RunningDemo(f"sqlite:///{tmp_path / 'demo.sqlite3'}", "--no-browser", port=free_port())
    demo.spawn()
    demo.wait_until((tmp_path / "demo.sqlite3").exists, within=STARTS_WITHIN, what="the first migration")
    code, _ = demo.end(SIGINT, within=10)
    assert code == 0
    assert demo.log() == ""


@pytest.mark.timeout(150)
def test_it_is_safe_to_run_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'demo.sqlite3'}"
    answers = []
    with running(url) as first:
        token, password = first.token, first.password
        answers.append(_status(first, token))
        assert first.end(SIGINT, within=10)[0] == 0
    with running(url) as second:
        assert second.password == password
        assert second.token != token
        answers += [_status(second, token), _status(second, second.token)]
        vendors = httpx.get(f"{second.url}/v1/vendors", headers=_bearer(second.token), trust_env=False).json()
        assert len(vendors["results"]) == 10
    assert answers == [200, 401, 200]


@pytest.mark.timeout(150)
def test_a_second_one_beside_it_shares_the_vendors_and_takes_nothing_away(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'demo.sqlite3'}"
    with running(url) as first, running(url) as second:
        assert second.sites_url == first.sites_url
        assert [_status(demo, demo.token) for demo in (first, second)] == [200, 200]
        assert first.end(SIGINT, within=10)[0] == 0
        second.wait_until(lambda: _reachable(second.sites_url), within=10, what="the vendors' server, taken over")


def _reachable(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _status(demo: RunningDemo, token: str) -> int:
    with httpx.stream("GET", f"{demo.url}/v1/stream", headers=_bearer(token), trust_env=False) as answer:
        return answer.status_code


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "", "8000.5", "99999999999999"])
def test_a_bad_port_is_one_line_and_two(port: str, tmp_path: Path) -> None:
    done = manage("demo", f"--port={port}", "--no-browser", database_url=f"sqlite:///{tmp_path / 'untouched'}")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "--port must be a number from 1 to 65535" in done.stderr


def test_no_address_at_all_is_one_line_and_two(tmp_path: Path) -> None:
    done = manage("demo", "--host=", "--no-browser", database_url=f"sqlite:///{tmp_path / 'untouched'}")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_somebody_elses_database_is_one_line_and_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'theirs.sqlite3'}"
    assert manage("migrate", "--verbosity", "0", database_url=url).returncode == 0
    theirs = "from redline.workspaces.models import User; User.objects.create_user('owner', password='their-own-words')"
    assert manage("shell", "--no-imports", "-c", theirs, database_url=url).returncode == 0
    done = manage("demo", "--port", str(free_port()), "--no-browser", database_url=url)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "'owner' who is not the demo's" in done.stderr


def test_the_sites_are_on_the_loopback_address_only(demo: RunningDemo) -> None:
    port = int(demo.sites_url.rpartition(":")[2])
    with pytest.raises(OSError):  # noqa: PT012
        address = socket.gethostbyname(socket.gethostname())
        if address.startswith("127."):
            raise OSError("this machine has no other address")
        socket.create_connection((address, port), timeout=2)
