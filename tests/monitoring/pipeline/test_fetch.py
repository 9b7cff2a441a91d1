"""Fetching over real sockets: guards, bounds, conditions, and the sentence of each failure."""

from __future__ import annotations

import datetime
import gzip
import socket
import ssl
import threading
import time
import tracemalloc
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from redline.monitoring.pipeline.address import Allow
from redline.monitoring.pipeline.errors import FetchError
from redline.monitoring.pipeline.fetch import Fetched, fetch
from tests.monitoring.scripted_web import Web, answer

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


def refused(url: str, **options: object) -> str:
    with pytest.raises(FetchError) as error:
        fetch(url, **options)  # type: ignore[arg-type]
    return error.value.reason


def test_a_page_comes_as_text_with_its_validators_and_instant(web: Web) -> None:
    web.script = lambda to: answer(to, "Gebühr".encode(), ETag='"v1"', Last_Modified="Sun, 01 Mar 2026 00:00:00 GMT")
    page = fetch(f"{web.url}/terms", allow=web.allow, now=lambda: NOON)
    assert page == Fetched(
        url=f"{web.url}/terms",
        status=200,
        content_type="text/plain",
        body="Gebühr",
        etag='"v1"',
        last_modified="Sun, 01 Mar 2026 00:00:00 GMT",
        not_modified=False,
        fetched_at=NOON,
    )


def test_known_validators_are_sent_and_a_304_is_no_body(web: Web) -> None:
    web.script = lambda to: answer(to, b"", 304, ETag='"v1"')
    page = fetch(web.url, allow=web.allow, etag='"v1"', last_modified="Sun, 01 Mar 2026 00:00:00 GMT")
    assert (page.not_modified, page.status, page.body, page.etag) == (True, 304, "", '"v1"')
    sent = web.asked[0][1]
    assert (sent["If-None-Match"], sent["If-Modified-Since"]) == ('"v1"', "Sun, 01 Mar 2026 00:00:00 GMT")


def test_a_304_that_nobody_asked_for_is_a_failure(web: Web) -> None:
    web.script = lambda to: answer(to, b"", 304)
    assert refused(web.url, allow=web.allow) == "304 Not Modified"


@pytest.mark.parametrize(("status", "reason"), [(503, "503 Service Unavailable"), (404, "404 Not Found"), (599, "599")])
def test_a_failing_status_is_the_reason(web: Web, status: int, reason: str) -> None:
    web.script = lambda to: answer(to, b"oops", status)
    assert refused(web.url, allow=web.allow) == reason


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://vendor.example/", "not an http or https URL: ftp"),
        ("file:///etc/passwd", "not an http or https URL: file"),
        ("vendor.example", "not an http or https URL: no scheme"),
        ("http://", "the URL names no host"),
        ("http://user:secret@vendor.example/", "the URL carries credentials"),
        ("http://user@vendor.example/", "the URL carries credentials"),
    ],
)
def test_a_url_that_is_not_plain_http_is_refused(url: str, reason: str) -> None:
    assert refused(url) == reason


def test_loopback_is_refused_before_a_byte_is_sent(web: Web) -> None:
    assert refused(web.url) == "address 127.0.0.1 is not public"
    assert web.asked == []


def test_a_redirect_is_followed_to_where_the_page_is(web: Web) -> None:
    def script(to: BaseHTTPRequestHandler) -> None:
        if to.path == "/old":
            return answer(to, b"", 301, Location="/new#part")
        return answer(to, b"here")

    web.script = script
    page = fetch(f"{web.url}/old", allow=web.allow)
    assert (page.body, page.url) == ("here", f"{web.url}/new#part")


def test_a_redirect_to_an_inner_address_is_refused_at_the_hop(web: Web, other_web: Web) -> None:
    web.script = lambda to: answer(to, b"", 302, Location=f"{other_web.url}/admin")
    assert refused(web.url, allow=web.allow) == "address 127.0.0.1 is not public"
    assert (len(web.asked), other_web.asked) == (1, [])


def test_a_redirect_to_another_scheme_is_refused(web: Web) -> None:
    web.script = lambda to: answer(to, b"", 302, Location="file:///etc/passwd")
    assert refused(web.url, allow=web.allow) == "not an http or https URL: file"


def test_redirects_end_after_the_limit(web: Web) -> None:
    web.script = lambda to: answer(to, b"", 302, Location="/again")
    assert refused(web.url, allow=web.allow, max_redirects=3) == "too many redirects"
    assert len(web.asked) == 4


def test_a_declared_length_over_the_limit_is_refused_unread(web: Web) -> None:
    web.script = lambda to: answer(to, b"x", Content_Length=str(3 * 2**20))
    assert refused(web.url, allow=web.allow) == "more than 2 MiB"


def test_an_undeclared_length_is_bounded_while_it_streams(web: Web) -> None:
    def endless(to: BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.send_header("Content-Type", "text/plain")
        to.end_headers()
        while True:
            to.wfile.write(b"x" * 65536)

    web.script = endless
    assert refused(web.url, allow=web.allow, max_bytes=100_000) == "more than 100000 bytes"


def test_what_a_small_body_unpacks_to_is_bounded(web: Web) -> None:
    bomb = gzip.compress(b"\0" * 100_000_000, 9, mtime=0)
    web.script = lambda to: answer(to, bomb, Content_Encoding="gzip")
    tracemalloc.start()
    try:
        assert refused(web.url, allow=web.allow) == "more than 2 MiB"
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(bomb) < 2**20
    assert held < 12 * 2**20


def test_gzip_of_several_members_is_one_body(web: Web) -> None:
    body = gzip.compress(b"one ", mtime=0) + gzip.compress(b"two") + b"\0" * 8
    web.script = lambda to: answer(to, body, Content_Encoding="gzip")
    assert fetch(web.url, allow=web.allow).body == "one two"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (gzip.compress(b"whole", mtime=0)[:-9], "the compressed body ends early"),
        (b"plain", "the compressed body is damaged"),
        (gzip.compress(b"", mtime=0) * 2000, "the compressed body is damaged"),
    ],
)
def test_damaged_gzip_is_a_failure(web: Web, body: bytes, reason: str) -> None:
    web.script = lambda to: answer(to, body, Content_Encoding="gzip")
    assert refused(web.url, allow=web.allow) == reason


def test_an_encoding_that_was_not_asked_for_is_refused(web: Web) -> None:
    web.script = lambda to: answer(to, b"??", Content_Encoding="br")
    assert refused(web.url, allow=web.allow) == "unsupported content encoding: br"


def test_a_body_in_drips_is_cut_at_the_deadline_of_the_whole(web: Web) -> None:
    gone = threading.Event()

    def drip(to: BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.send_header("Content-Type", "text/plain")
        to.end_headers()
        while not gone.wait(0.02):
            to.wfile.write(b".")

    web.script = drip
    started = time.monotonic()
    assert refused(web.url, allow=web.allow, timeout=0.3) == "timed out after 0.3 s"
    assert time.monotonic() - started < 10
    gone.set()


def test_redirects_share_one_deadline(web: Web) -> None:
    held = threading.Event()

    def slow_redirect(to: BaseHTTPRequestHandler) -> None:
        held.wait(0.12)
        answer(to, b"", 302, Location="/next")

    web.script = slow_redirect
    assert refused(web.url, allow=web.allow, timeout=0.3, max_redirects=50) == "timed out after 0.3 s"
    held.set()


def test_a_refused_connection_is_a_sentence_without_numbers() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        assert refused(url, allow=Allow(private=True)) == "could not connect: Connection refused"


def test_a_picture_is_not_a_text_page(web: Web) -> None:
    web.script = lambda to: answer(to, b"\x89PNG", Content_Type="image/png")
    assert refused(web.url, allow=web.allow) == "not a text page: image/png"


def test_binary_under_a_text_type_is_not_a_text_page(web: Web) -> None:
    web.script = lambda to: answer(to, b"a\0b")
    assert refused(web.url, allow=web.allow) == "not a text page: text/plain"


def test_an_empty_page_is_an_outage_and_not_a_removal_of_everything(web: Web) -> None:
    web.script = lambda to: answer(to, b" \n")
    assert refused(web.url, allow=web.allow) == "the page is empty"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("Gebühr – 5 €".encode("cp1252"), "text/plain; charset=ISO-8859-1"),
        ("Gebühr – 5 €".encode("utf-16"), "text/html"),
        ("<meta charset='windows-1252'>Gebühr – 5 €".encode("cp1252"), "text/html"),
        ("\ufeffGebühr – 5 €".encode(), "text/html; charset=iso-8859-1"),
        ("Gebühr – 5 €".encode(), "text/html; charset=punycode"),
        ("Gebühr – 5 €".encode(), "text/html; charset=no-such-thing"),
        ("Gebühr – 5 €".encode(), "text/plain"),
    ],
)
def test_the_charset_is_found_where_browsers_find_it(web: Web, body: bytes, content_type: str) -> None:
    web.script = lambda to: answer(to, body, Content_Type=content_type)
    assert fetch(web.url, allow=web.allow).body.endswith("Gebühr – 5 €")


def test_the_environment_cannot_name_a_proxy(web: Web, other_web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other_web.url)
    assert fetch(web.url, allow=web.allow).body == "hello"
    assert other_web.asked == []


def named(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Let `vendor.example` resolve to each of `answers` in turn; returns the names that were looked up."""
    real, looked_up, left = socket.getaddrinfo, [], list(answers)

    def getaddrinfo(host: object, port: object, *args: object, **options: object) -> object:
        if host not in ("vendor.example", b"vendor.example"):
            return real(host, port, *args, **options)  # type: ignore[arg-type]
        looked_up.append("vendor.example")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (left.pop(0), port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return looked_up


def test_a_name_is_resolved_once_and_the_judged_address_is_the_connected_one(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = web.server_address[1]
    # The second answer is where a rebinding server would lead whoever asks again.
    looked_up = named(monkeypatch, "127.0.0.1", "127.0.0.9")
    page = fetch(f"http://vendor.example:{port}/", allow=Allow(private=True))
    assert (page.body, looked_up) == ("hello", ["vendor.example"])
    assert web.asked[0][1]["Host"] == f"vendor.example:{port}"


def test_a_name_that_leads_inside_is_refused(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    named(monkeypatch, "127.0.0.1")
    assert refused(f"http://vendor.example:{web.server_address[1]}/") == "address 127.0.0.1 is not public"
    assert web.asked == []


@pytest.fixture
def secure_web(web: Web, tmp_path: Path) -> tuple[Web, ssl.SSLContext, list[str | None]]:
    """The server behind TLS with a certificate for `vendor.example`, a client's trust in it, the names asked for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vendor.example")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1))
        .not_valid_after(datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("vendor.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "server.pem").write_bytes(pem + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    names: list[str | None] = []
    context.sni_callback = lambda _socket, server_name, _context: names.append(server_name)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    return web, ssl.create_default_context(cadata=pem.decode()), names


def test_sni_and_certificate_are_about_the_name_not_the_address(
    secure_web: tuple[Web, ssl.SSLContext, list[str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    web, trust, names = secure_web
    named(monkeypatch, "127.0.0.1")
    page = fetch(f"https://vendor.example:{web.server_address[1]}/", allow=Allow(private=True), ssl_context=trust)
    assert (page.body, names) == ("hello", ["vendor.example"])


def test_a_certificate_for_another_name_is_refused(secure_web: tuple[Web, ssl.SSLContext, list[str | None]]) -> None:
    web, trust, _ = secure_web
    reason = refused(f"https://localhost:{web.server_address[1]}/", allow=Allow(private=True), ssl_context=trust)
    assert reason.startswith("could not connect: certificate verify failed: Hostname mismatch")


def test_an_unknown_authority_is_refused(
    secure_web: tuple[Web, ssl.SSLContext, list[str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, "127.0.0.1")
    reason = refused(f"https://vendor.example:{secure_web[0].server_address[1]}/", allow=Allow(private=True))
    assert reason == "could not connect: certificate verify failed: self-signed certificate"


@given(st.one_of(st.text(max_size=60), st.text(max_size=40).map(lambda tail: f"http://{tail}")))
def test_no_url_raises_anything_but_a_fetch_error(url: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", no_such_host)
        with pytest.raises(FetchError):
            fetch(url, timeout=1)


def no_such_host(*_: object, **__: object) -> None:
    raise socket.gaierror(-2, "Name or service not known")
