from __future__ import annotations

import itertools
import json
import random
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from streaming.jwks import MAX_BYTES, KeySet, download, read_keys
from tests.issuer import Issuer, encoded, issuer, private_key, published
from tests.monitoring.scripted_web import Web, answer, running
from tests.processes import wait_until


class Site:
    """A key set of an issuer's, with a clock that stands still."""

    def __init__(self, it: Issuer) -> None:
        self.it = it
        self.now = 1_000.0
        self.keys = KeySet(it.url, clock=lambda: self.now)

    def settle(self) -> None:
        """Wait for the fetch under way."""
        fetch = self.keys.fetching
        if fetch is not None:
            fetch.result(timeout=10)

    def knows(self, kid: str) -> bool:
        """Tell whether a key is known, now and without waiting; then let come what that has begun."""
        found = self.keys.find(kid) is not None
        self.settle()
        return found


@pytest.fixture
def it() -> Iterator[Issuer]:
    with issuer() as made:
        yield made


@pytest.fixture
def site(it: Issuer) -> Site:
    return Site(it)


def test_the_first_look_begins_a_fetch_and_the_next_finds_the_key(site: Site) -> None:
    assert site.it.fetches == 0
    assert not site.keys.usable
    assert not site.knows("rsa-1")
    assert site.keys.usable
    assert site.knows("rsa-1")
    assert site.knows("ec-1")
    assert site.it.fetches == 1


def test_nobody_waits_for_a_host_that_hangs(site: Site) -> None:
    site.it.hold()
    for kid in ("rsa-1", "ec-1", "rsa-2"):
        assert site.keys.find(kid) is None
    assert site.keys.fetching is not None
    wait_until(lambda: site.it.fetches == 1, within=5, what="the fetch")
    site.now += 31
    assert site.keys.find("rsa-1") is None
    assert not site.keys.fetching.done()
    assert site.it.fetches == 1, "one at a time, however long it takes"
    site.it.release()
    site.settle()
    assert site.knows("rsa-1")
    assert site.it.fetches == 1


def test_a_host_that_hangs_is_given_up(site: Site) -> None:
    site.it.hold()
    site.keys.find("rsa-1")
    site.settle()
    assert site.keys.fetching is None
    assert not site.knows("rsa-1")


@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])
def test_a_host_that_drips_is_given_up_all_the_same(site: Site, begins: bytes) -> None:
    ended = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        try:
            handler.wfile.write(begins)
            for byte in itertools.repeat(b"H"):
                if ended.wait(0.1):
                    return
                handler.wfile.write(byte)
        except OSError:
            ended.set()
            raise

    site.it.answer = drip
    try:
        site.keys.find("rsa-1")
        site.settle()
        wait_until(ended.is_set, within=5, what="the connection is cut")
    finally:
        ended.set()


def test_a_thousand_unknown_keys_are_one_fetch_in_thirty_seconds(site: Site) -> None:
    site.knows("rsa-1")
    for number in range(1_000):
        assert not site.knows(f"rsa-{number + 2}")
    assert site.it.fetches == 1
    site.now += 29.9
    assert not site.knows("rsa-2")
    assert site.it.fetches == 1
    site.now += 0.2
    for number in range(1_000):
        assert not site.knows(f"rsa-{number + 2}")
    assert site.it.fetches == 2


def test_many_threads_begin_one_fetch(site: Site) -> None:
    together = threading.Barrier(16)

    def look() -> None:
        together.wait()
        site.keys.find("rsa-1")

    threads = [threading.Thread(target=look) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    site.settle()
    assert site.it.fetches == 1


def test_old_keys_are_used_while_new_ones_are_fetched(site: Site) -> None:
    site.knows("rsa-1")
    site.now += 299
    assert site.knows("rsa-1")
    assert site.it.fetches == 1
    site.now += 2
    assert site.knows("rsa-1")
    assert site.it.fetches == 2
    assert site.knows("rsa-1")
    assert site.it.fetches == 2


def test_a_key_that_was_replaced_is_found_and_the_old_one_no_longer(site: Site) -> None:
    site.knows("rsa-1")
    site.it.kids = ["rsa-2"]
    site.now += 30
    assert not site.knows("rsa-2")
    assert site.knows("rsa-2")
    assert not site.knows("rsa-1")


def fail(handler: BaseHTTPRequestHandler) -> None:
    answer(handler, b"{}", 503)


def garbage(handler: BaseHTTPRequestHandler) -> None:
    answer(handler, b"<html>")


def no_set(handler: BaseHTTPRequestHandler) -> None:
    answer(handler, b'{"keys": {}}')


def deep(handler: BaseHTTPRequestHandler) -> None:
    answer(handler, b"[" * 100_000)


def large(handler: BaseHTTPRequestHandler) -> None:
    answer(handler, b'{"keys": []}' + b" " * MAX_BYTES)


def cut(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


@pytest.mark.parametrize("away", [fail, garbage, no_set, deep, large, cut])
def test_the_keys_stay_for_an_hour_while_the_host_is_away(site: Site, away: Any) -> None:
    site.knows("rsa-1")
    begun = site.now
    site.it.answer = away
    for minutes in (6, 30, 59.9):
        site.now = begun + minutes * 60
        assert site.knows("rsa-1"), f"{away.__name__}: gone after {minutes} min"
    asked = site.it.fetches
    assert asked == 4, f"{asked} fetches: one at first, one at each look later"
    assert site.keys.usable
    site.now = begun + 3_601
    assert not site.keys.usable
    assert not site.knows("rsa-1")
    site.it.answer = site.it.publish
    site.now += 30
    assert not site.knows("rsa-1")
    assert site.knows("rsa-1")


def test_a_redirect_is_not_followed(site: Site) -> None:
    with running() as elsewhere:
        elsewhere.script = lambda handler: answer(handler, json.dumps({"keys": [published("rsa-1")]}).encode())
        site.it.answer = lambda handler: answer(handler, b"", 302, Location=f"{elsewhere.url}/jwks.json")
        site.knows("rsa-1")
        assert not site.knows("rsa-1")
        assert elsewhere.asked == []


def test_a_query_belongs_to_the_address(it: Issuer) -> None:
    download(f"{it.url}?tenant=1")
    assert it.web.asked[0][0] == "/jwks.json?tenant=1"


def test_a_host_whose_certificate_nobody_vouches_for_is_not_believed(tmp_path: Path) -> None:
    with Web() as web:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self_signed(tmp_path))
        web.socket = context.wrap_socket(web.socket, server_side=True)
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        with pytest.raises(ssl.SSLCertVerificationError):
            download(web.url.replace("http://", "https://"))
        web.shutdown()
        thread.join()


def self_signed(folder: Path) -> Path:
    key = private_key("ec-1")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(hours=1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("127.0.0.1")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return file


def read(*entries: Any) -> set[str]:
    return set(read_keys(json.dumps({"keys": entries}).encode()))


def test_signing_keys_of_the_two_kinds_are_taken() -> None:
    plain = {name: value for name, value in published("rsa-1").items() if name not in ("use", "alg")}
    assert read(published("rsa-1"), published("ec-1"), {**plain, "kid": "plain"}) == {"rsa-1", "ec-1", "plain"}


SMALL = json.loads(RSAAlgorithm.to_jwk(rsa.generate_private_key(65_537, 1_024).public_key()))
LARGE_CURVE = json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key()))


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": encoded(b"s" * 32), "kid": "x"},
        {"kty": "oct", "k": encoded(b"s" * 32), "kid": "x", "alg": "RS256"},
        {**SMALL, "kid": "x"},
        {**LARGE_CURVE, "kid": "x"},
        {**LARGE_CURVE, "kid": "x", "crv": "P-256"},
        {**published("rsa-1"), "use": "enc"},
        {**published("rsa-1"), "alg": "PS256"},
        {**published("rsa-1"), "alg": "HS256"},
        {**published("rsa-1"), "alg": "none"},
        {**published("rsa-1"), "kid": None},
        {**published("rsa-1"), "kid": 7},
        {**published("rsa-1"), "n": 5},
        {**published("rsa-1"), "n": "!"},
        {**published("rsa-1"), "e": ""},
        {**published("ec-1"), "x": "AA"},
        {**published("ec-1"), "crv": ["P-256"]},
        json.loads(RSAAlgorithm.to_jwk(private_key("rsa-1"))) | {"kid": "x"},
        {"kty": "OKP", "crv": "Ed25519", "x": encoded(b"x" * 32), "kid": "x"},
        {},
        None,
        "rsa-1",
        [],
    ],
)
def test_what_is_no_such_key_is_left_out_and_spoils_no_other(entry: Any) -> None:
    assert read(entry, published("ec-1")) - {"ec-1"} == set()
    assert "ec-1" in read(entry, published("ec-1"))


def test_no_more_than_a_hundred_entries_are_looked_at() -> None:
    assert len(read(*({**published("ec-1"), "kid": f"k{number}"} for number in range(150)))) == 100


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"keys": null}', b'{"keys": "x"}', b"\xff"])
def test_what_is_no_key_set_raises_one_kind_of_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_keys(body)


def test_entries_with_parts_exchanged_raise_nothing() -> None:
    rng = random.Random(20_261_121)
    values = [None, 0, -1, "", "AQAB", "!", "é", [], {}, True, "RSA", "EC", "P-256", "sig", 1e308, "A" * 4_000]
    for _ in range(2_000):
        entry = dict(published(rng.choice(["rsa-1", "ec-1"])))
        for name in rng.sample([*entry, "d", "x5c", "key_ops"], rng.randint(1, 3)):
            entry[name] = rng.choice(values)
        assert "ec-1" in read(entry, published("ec-1")), f"{entry}"
