from __future__ import annotations

import logging
from typing import Any

import pytest
from httpx import URL

from streaming import redaction
from streaming.redaction import redact

SECRET = "rl_7Zt2kQpW9xLmN4vB8cYd"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c3JfMSIsImV4cCI6MX0.c2lnbmF0dXJlLW9mLXRoaXM"
CASES = [
    "GET /v1/stream?token={} HTTP/1.1",
    "GET /v1/stream?types=a&token={}&x=1",
    "?ticket={}#top",
    "/v1/stream;token={}",
    "ticket={}",
    '"token={}"',
    "'reconnectToken={}'",
    "reconnect_token={} ",
    "?TOKEN={}",
    "Authorization: Bearer {}",
    "authorization: bearer   {}",
    "the token {} was refused",
    "/sign-in?next=/%3Fa%3D1%26token%3D{} ",
]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.mark.parametrize("secret", [SECRET, JWT, JWT.rpartition(".")[0] + "."])
@pytest.mark.parametrize(
    "form", [*CASES, "GET /{} HTTP/1.1", "GET /v1/stream?%74oken={}&x", "/in?next=/%3F%74oken%3D{} "]
)
def test_a_credential_is_cut_out_of_a_line(form: str, secret: str) -> None:
    redacted = redact(form.format(secret))
    assert secret not in redacted
    assert secret[3:] not in redacted
    assert "[redacted]" in redacted


@pytest.mark.parametrize(
    "text", ["", "GET /v1/stream?types=token", "a bearer of news?", "/notoken=5", "rl_short", "eye.example.com"]
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert redact(text) in (text, text.replace("news", "[redacted]"), text.replace("of", "[redacted]"))


def test_the_rest_of_a_line_stays() -> None:
    assert redact(f"GET /s?a=1&token={SECRET}&b=2 200") == "GET /s?a=1&token=[redacted]&b=2 200"


@pytest.mark.parametrize(
    ("message", "args"),
    [
        (f"GET /s?token={SECRET}", ()),
        ("GET %s", (f"/s?token={SECRET}",)),
        ("GET %r", (f"/s?token={SECRET}".encode(),)),
        ("GET %(path)s", ({"path": f"/s?token={SECRET}"},)),
        ("GET %s", (URL(f"http://h/s?token={SECRET}"),)),
        ("failed: %s", (ValueError(f"/s?token={SECRET}"),)),
        ("failed: %r", (ValueError(f"/s?token={SECRET}"),)),
        (ValueError(f"/s?token={SECRET}"), ()),
        ("%s", ({"headers": {"authorization": f"Bearer {SECRET}"}},)),
    ],
)
def test_no_logger_tells_a_credential(lines: pytest.LogCaptureFixture, message: Any, args: tuple[Any, ...]) -> None:
    logging.getLogger("somebody.else").info(message, *args)
    assert SECRET not in lines.text
    assert "[redacted]" in lines.text


def test_arguments_keep_their_kind_where_they_hold_no_credential(lines: pytest.LogCaptureFixture) -> None:
    logging.getLogger("x").info("%d %.1f %s %s", 5, 1.5, None, URL("http://h/"))
    assert lines.records[-1].args == (5, 1.5, None, URL("http://h/"))
    assert lines.messages[-1] == "5 1.5 None http://h/"


def test_an_object_that_has_no_text_does_not_stop_whoever_logs_it(lines: pytest.LogCaptureFixture) -> None:
    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("no text")

        def __repr__(self) -> str:
            return "<mute>"

    logging.getLogger("x").info("%r", Mute())
    assert lines.messages[-1] == "<mute>"


def test_installing_twice_changes_nothing() -> None:
    factory = logging.getLogRecordFactory()
    redaction.install()
    assert logging.getLogRecordFactory() is factory


def test_installing_wraps_whatever_makes_the_records() -> None:
    usual = logging.getLogRecordFactory()
    try:
        logging.setLogRecordFactory(logging.LogRecord)
        redaction.install()
        record = logging.getLogRecordFactory()("x", logging.INFO, "", 1, f"?token={SECRET}", (), None)
        assert record.getMessage() == "?token=[redacted]"
    finally:
        logging.setLogRecordFactory(usual)


def test_a_traceback_that_quotes_a_credential_is_redacted(lines: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError(f"GET /v1/stream?token={SECRET}")
    except ValueError:
        logging.getLogger("x").exception("it failed")
    assert "ValueError" in lines.text
    assert SECRET not in lines.text
