"""Whether the demo may have its port, and what it is called there."""

from __future__ import annotations

import socket

import pytest

from redline.demo.errors import DemoError, PortTaken
from redline.demo.listening import Place
from tests.processes import free_port


def test_a_port_on_which_somebody_listens_is_refused_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken) as refusal:
            Place("127.0.0.1", port)
    assert str(refusal.value) == (
        f"Something else is listening on port {port} of 127.0.0.1; choose another with --port."
    )


def test_a_port_of_every_address_is_taken_by_who_has_it_on_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortTaken):
        Place("0.0.0.0", taken.getsockname()[1])


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid", "::zz", "a" * 70])
def test_an_address_that_is_not_ours_is_refused_in_one_sentence(host: str) -> None:
    with pytest.raises(DemoError) as refusal:
        Place(host, free_port())
    assert "\n" not in str(refusal.value)
    assert "Cannot listen on port" in str(refusal.value)


def test_nobody_is_answered_while_the_place_is_only_held() -> None:
    place = Place("127.0.0.1", free_port())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((place.host, place.port))
    place.give_up()


def test_what_the_last_server_left_behind_does_not_count_as_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # whoever closes first keeps the port in TIME_WAIT
        client.close()
    Place("127.0.0.1", port).give_up()


@pytest.mark.parametrize(
    ("host", "url", "names"),
    [
        ("127.0.0.1", "http://127.0.0.1:{port}", ["127.0.0.1"]),
        ("localhost", "http://localhost:{port}", ["localhost"]),
        ("0.0.0.0", "http://127.0.0.1:{port}", ["*"]),
    ],
)
def test_the_place_says_where_a_browser_finds_it(host: str, url: str, names: list[str]) -> None:
    place = Place(host, free_port())
    assert (place.url, place.host_names) == (url.format(port=place.port), names)
    place.give_up()


def test_an_ipv6_address_is_written_in_brackets() -> None:
    try:
        place = Place("[::1]", free_port())
    except DemoError:
        pytest.skip("this machine has no IPv6")
    assert place.url == f"http://[::1]:{place.port}"
    assert place.host_names == ["[::1]"]
    place.give_up()
