"""The README of redline/deploy: whoever follows it finds every file, command, port and unit that it names."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.deploy.files import DEPLOY, read
from tests.environment import PYTHON, ROOT, for_child
from tests.processes import Process, free_port
from tests.servers import fresh_database

README = read("README.md")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
LINES = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_good_shell(block: str) -> None:
    done = subprocess.run(["sh", "-n"], input=block, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_file_that_a_step_takes_is_there() -> None:
    taken = {word for line in LINES for word in line.split() if word.startswith("redline/deploy/")}
    assert len(taken) >= 7
    for pattern in taken:
        assert list(ROOT.glob(pattern)), pattern


def test_every_file_is_told_of_and_every_link_leads_to_one() -> None:
    linked = set(re.findall(r"\]\(([\w.@-]+)\)", README))
    files = {path.name for path in DEPLOY.iterdir() if not path.name.startswith(".") and path.is_file()}
    assert linked == files - {"README.md", "Dockerfile.dockerignore"}


def test_every_management_command_is_one() -> None:
    named = {word for line in LINES for word in re.findall(r"(?:^redline|manage\.py) (\w+)", line)}
    assert named >= {"migrate", "check", "collectstatic", "token", "serve"}
    assert named <= set(get_commands())


def test_every_unit_that_is_started_is_one_and_the_ports_are_those_of_the_upstream() -> None:
    units = {word for line in LINES if line.startswith("systemctl enable") for word in line.split() if "-" in word[2:]}
    ports = {unit.partition("@")[2] for unit in units if "@" in unit}
    for unit in units:
        name = re.sub(r"@\d+", "@", unit)
        assert (DEPLOY / name).exists() or (DEPLOY / f"{name}.service").exists(), unit
    assert ports == set(re.findall(r"server 127\.0\.0\.1:(\d+)", read("upstream.conf")))
    assert ports == set(re.findall(r"for port in ([\d ]+);", README)[0].split())


SERVE = [line.partition("#")[0].split() for line in LINES if "manage.py serve" in line]


@pytest.mark.servers
@pytest.mark.parametrize("words", SERVE)
def test_every_command_line_of_a_server_serves(words: list[str], tmp_path: Path) -> None:
    port, path = str(free_port()), str(tmp_path / "web.sock")
    changed = {"python": PYTHON, "8001": port, "/run/redline/web.sock": path}
    argv = [changed.get(word, word) for word in words]
    server = Process(argv, name="serve", env=for_child({"DATABASE_URL": fresh_database()}))
    server.spawn()
    try:
        server.wait_until(lambda: answers(port, path), within=30, what="200 from /readyz")
    finally:
        assert server.terminate(within=15) in (0, -15)


def answers(port: str, path: str) -> bool:
    """Say whether a server on this port, or on the socket of that path, is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        if Path(path).exists():
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(path)
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    return False


def test_workers_keep_idle_connections_for_longer_than_nginx_does() -> None:
    (nginx,) = re.findall(r"keepalive_timeout (\d+)s;", read("upstream.conf"))
    places = [read("redline-web@.service"), read("Dockerfile").replace('", "', " "), *map(" ".join, SERVE)]
    kept = [int(time) for place in places for time in re.findall(r"--timeout-keep-alive (\d+)", place)]
    assert len(kept) == 4
    assert min(kept) > int(nginx)
