"""One vendors' server per database, whoever runs it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import httpx
import pytest

from redline.demo.sites import Sites
from redline.demo.street import Street
from tests.processes import free_port, wait_until


@contextlib.contextmanager
def street(mark: str, port: int, **begun: int) -> Iterator[Street]:
    street = Street(mark=mark, port=port, begun=lambda: {f"/{path.replace('__', '/')}": begun[path] for path in begun})
    street.start()
    try:
        yield street
    finally:
        street.stop()


def server(url: str) -> str:
    return httpx.get(url, trust_env=False).headers["server"]


def test_a_first_start_takes_any_port() -> None:
    with street("org_a", 0) as first:
        assert first.is_ours
        assert server(first.url) == "redline-demo org_a"


def test_the_former_port_is_used_again() -> None:
    port = free_port()
    for _ in range(2):
        with street("org_a", port) as mine:
            assert (mine.is_ours, mine.host) == (True, f"127.0.0.1:{port}")
            assert server(mine.url) == "redline-demo org_a"


def test_a_second_demo_shares_the_server_and_takes_over_when_the_first_ends() -> None:
    first = Sites(mark="org_a")
    first.start()
    port = int(first.host.rpartition(":")[2])
    with street("org_a", port, **{"orchard-calendar__pricing": 4}) as second:
        assert (second.is_ours, second.host) == (False, first.host)
        assert '"0-' in httpx.get(f"{second.url}/orchard-calendar/pricing", trust_env=False).headers["etag"]
        first.stop()
        wait_until(lambda: answers(port), within=10, what="the second one's server")
        etag = httpx.get(f"{second.url}/orchard-calendar/pricing", trust_env=False).headers["etag"]
        assert etag.startswith('"4-'), "it carries on where readers had come"
    assert not answers(port)


@pytest.mark.parametrize("mark", ["org_b", ""])
def test_the_server_of_another_database_is_not_shared(mark: str) -> None:
    other = Sites(mark=mark)
    other.start()
    try:
        with street("org_a", int(other.host.rpartition(":")[2])) as mine:
            assert mine.is_ours
            assert mine.host != other.host
    finally:
        other.stop()


def test_a_port_with_something_else_on_it_is_left_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, street("org_a", silent.getsockname()[1]) as mine:
        assert mine.is_ours


def test_standing_by_ends_at_once() -> None:
    first = Sites(mark="org_a")
    first.start()
    try:
        with street("org_a", int(first.host.rpartition(":")[2])) as second:
            assert not second.is_ours
        assert answers(int(first.host.rpartition(":")[2])), "only the one that runs the server may end it"
    finally:
        first.stop()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
