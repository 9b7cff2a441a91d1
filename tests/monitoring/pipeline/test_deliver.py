"""Delivery to real servers: what arrives, what is tried again, and what is said when it fails."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import get_args

import pytest
from django.conf import settings
from django.core.mail.backends.smtp import EmailBackend

from redline.monitoring.pipeline.address import Allow
from redline.monitoring.pipeline.deliver import Delivery, Message, deliver
from redline.monitoring.pipeline.policy import Route, RouteKind
from tests.monitoring import scripted_smtp
from tests.monitoring.scripted_smtp import Post
from tests.monitoring.scripted_web import Web, answer

if not settings.configured:
    settings.configure()

MESSAGE = Message(
    key="act_7",
    severity="P1",
    headline="Retention: “90 days” became “30 days”",
    text="Ask <!channel> & legal.",
    url="https://redline.example/changes/chg_1",
    details={"vendorId": "vnd_1"},
)


def replies(web: Web, *statuses: int, **headers: str) -> None:
    """Answer with each status in turn, then 200."""
    left = list(statuses)
    web.script = lambda to: answer(to, b"ok", left.pop(0) if left else 200, **(headers if left or statuses else {}))


def send(web: Web, kind: RouteKind = "slack") -> tuple[Delivery, list[float]]:
    pauses: list[float] = []
    route = Route(kind=kind, target=f"{web.url}/hook/s3cret")
    return deliver(route, MESSAGE, allow=web.allow, pause=pauses.append, timeout=2), pauses


def test_slack_gets_text_in_which_nothing_is_a_mention(web: Web) -> None:
    delivery, pauses = send(web)
    assert (delivery, pauses) == (Delivery(status="delivered", external_id="act_7", attempts=1), [])
    path, headers, body = web.asked[0]
    assert (path, headers["Idempotency-Key"], headers["Content-Type"]) == ("/hook/s3cret", "act_7", "application/json")
    assert json.loads(body) == {
        "text": "*[P1]* Retention: “90 days” became “30 days”\nAsk &lt;!channel&gt; &amp; legal.\n"
        "https://redline.example/changes/chg_1"
    }


@pytest.mark.parametrize("kind", ["jira", "calendar", "payment"])
def test_the_other_kinds_post_the_whole_message_and_take_the_receivers_id(web: Web, kind: RouteKind) -> None:
    web.script = lambda to: answer(to, b'{"id": 10001, "key": "LEG-7"}', 201, Content_Type="application/json")
    delivery, _ = send(web, kind)
    assert delivery == Delivery(status="delivered", external_id="LEG-7", attempts=1)
    assert json.loads(web.asked[0][2]) == {
        "kind": kind,
        "key": "act_7",
        "severity": "P1",
        "headline": MESSAGE.headline,
        "text": MESSAGE.text,
        "url": MESSAGE.url,
        "details": {"vendorId": "vnd_1"},
    }


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b'{"id": null}', b'"x"', b'{"id": "' + b"x" * 70_000 + b'"}'])
def test_an_answer_that_makes_no_sense_is_delivered_all_the_same(web: Web, body: bytes) -> None:
    web.script = lambda to: answer(to, body, Content_Type="application/json")
    assert send(web, "jira")[0] == Delivery(status="delivered", external_id="act_7", attempts=1)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_pass_is_tried_again_with_the_same_key(web: Web, status: int) -> None:
    replies(web, status, status)
    delivery, pauses = send(web)
    assert (delivery.status, delivery.attempts, pauses) == ("delivered", 3, [1.0, 4.0])
    assert {headers["Idempotency-Key"] for _, headers, _ in web.asked} == {"act_7"}


def test_after_three_attempts_it_has_failed(web: Web) -> None:
    replies(web, 503, 503, 503, 503)
    delivery, pauses = send(web)
    assert delivery == Delivery(status="failed", reason="503 Service Unavailable", attempts=3)
    assert (len(web.asked), len(pauses)) == (3, 2)


@pytest.mark.parametrize(("status", "reason"), [(400, "400 Bad Request"), (404, "404 Not Found"), (410, "410 Gone")])
def test_what_will_not_pass_is_tried_once(web: Web, status: int, reason: str) -> None:
    replies(web, status)
    assert send(web)[0] == Delivery(status="failed", reason=reason, attempts=1)


@pytest.mark.parametrize(
    ("value", "pause"), [("7", 7.0), ("0", 0.0), ("86400", 30.0), ("9" * 400, 30.0), ("soon", 1.0), ("-5", 1.0)]
)
def test_retry_after_is_honoured_up_to_a_cap(web: Web, value: str, pause: float) -> None:
    replies(web, 429, Retry_After=value)
    assert send(web)[1] == [pause]


def test_retry_after_may_be_a_date(web: Web) -> None:
    replies(web, 429, Retry_After=format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True))
    [pause] = send(web)[1]
    assert 15 < pause <= 20


def test_a_redirect_is_not_followed(web: Web, other_web: Web) -> None:
    web.script = lambda to: answer(to, b"", 307, Location=other_web.url)
    delivery, _ = send(web)
    assert delivery == Delivery(status="failed", reason="307 Temporary Redirect: the target redirects", attempts=1)
    assert other_web.asked == []


def test_an_inner_target_is_refused_and_the_secret_is_not_repeated(web: Web) -> None:
    delivery = deliver(Route(kind="slack", target=f"{web.url}/hook/s3cret"), MESSAGE, pause=lambda _: None)
    assert delivery == Delivery(status="failed", reason="address 127.0.0.1 is not public", attempts=1)
    assert web.asked == []


def test_a_receiver_that_hangs_is_left_and_tried_again(web: Web) -> None:
    release = threading.Event()
    web.script = lambda to: (release.wait(5), answer(to, b"ok"))[1]
    route = Route(kind="slack", target=web.url)
    delivery = deliver(route, MESSAGE, allow=web.allow, pause=lambda _: None, timeout=0.1)
    release.set()
    assert delivery == Delivery(status="failed", reason="timed out after 0.1 s", attempts=3)


def test_a_receiver_that_is_away_is_a_failure_without_its_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        target = f"http://127.0.0.1:{taken.getsockname()[1]}/s3cret"
        delivery = deliver(Route(kind="jira", target=target), MESSAGE, allow=Allow(private=True), pause=lambda _: None)
    assert delivery == Delivery(status="failed", reason="the connection failed", attempts=3)


@pytest.mark.parametrize("kind", get_args(RouteKind))
@pytest.mark.parametrize("target", ["", "LEGAL"])
def test_without_a_target_it_has_failed_unattempted(kind: RouteKind, target: str) -> None:
    delivery = deliver(Route(kind=kind, target=target), MESSAGE)
    unusable = kind == "email" and target
    expected = "the target is not an e-mail address" if unusable else "no target configured"
    assert (delivery.status, delivery.reason, delivery.attempts) == ("failed", expected, int(bool(unusable)))


@pytest.mark.parametrize("target", ["http://", "http://[", "http://a:b@c/", "https://exa mple/", "http://\0"])
def test_a_malformed_target_is_a_failure_and_not_an_exception(target: str) -> None:
    assert deliver(Route(kind="slack", target=target), MESSAGE, pause=lambda _: None, timeout=1).status == "failed"


def test_a_message_that_is_no_json_is_a_failure_and_not_an_exception(web: Web) -> None:
    message = Message(key="k", severity="P3", headline="h", text="t", details={"at": object()})
    delivery = deliver(Route(kind="jira", target=web.url), message, allow=web.allow)
    assert delivery == Delivery(status="failed", reason="the message could not be sent: TypeError", attempts=1)


@pytest.fixture
def post() -> Iterator[Post]:
    with scripted_smtp.running() as server:
        yield server


def mail(
    post: Post, message: Message = MESSAGE, target: str = "legal@customer.example"
) -> tuple[Delivery, list[float]]:
    pauses: list[float] = []
    backend = EmailBackend(host="127.0.0.1", port=post.port, username="", password="", use_tls=False, timeout=5)
    return deliver(Route(kind="email", target=target), message, mail=backend, pause=pauses.append), pauses


def test_mail_arrives_with_its_message_id_as_the_external_id(post: Post) -> None:
    delivery, _ = mail(post)
    [(recipient, taken)] = post.taken
    assert (delivery.status, delivery.attempts, recipient) == ("delivered", 1, "legal@customer.example")
    assert taken["Message-ID"] == delivery.external_id
    assert delivery.external_id.startswith("<act_7@")
    assert taken["Subject"].strip() == "[P1] Retention: “90 days” became “30 days”"
    assert MESSAGE.url in taken.get_content()  # type: ignore[attr-defined]


def test_the_same_action_has_the_same_message_id(post: Post) -> None:
    assert mail(post)[0].external_id == mail(post)[0].external_id


def test_a_headline_cannot_add_a_header(post: Post) -> None:
    sneaky = Message(key="k\r\nBcc: x", severity="P3", headline="Fees\r\nBcc: all@customer.example", text="t")
    assert mail(post, sneaky)[0].status == "delivered"
    [(_, taken)] = post.taken
    assert (taken["Bcc"], taken["Subject"]) == (None, "[P3] Fees Bcc: all@customer.example")


def test_a_full_mailbox_is_tried_again(post: Post) -> None:
    post.refusals = [b"450 mailbox busy"]
    delivery, pauses = mail(post)
    assert (delivery.status, delivery.attempts, pauses, len(post.taken)) == ("delivered", 2, [1.0], 1)


def test_an_unknown_mailbox_is_not(post: Post) -> None:
    post.refusals = [b"550 no such user"]
    expected = Delivery(status="failed", reason="the mail server answered 550 no such user", attempts=1)
    assert (mail(post)[0], post.connections, post.taken) == (expected, 1, [])


def test_a_mail_server_that_is_away_is_a_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        backend = EmailBackend(host="127.0.0.1", port=taken.getsockname()[1], username="", password="", timeout=5)
        route = Route(kind="email", target="legal@customer.example")
        delivery = deliver(route, MESSAGE, mail=backend, pause=lambda _: None)
    assert (delivery.status, delivery.attempts) == ("failed", 3)
    assert delivery.reason.startswith("the mail server could not be reached: ")
