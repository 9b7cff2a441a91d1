"""The vendors' web server over a real socket: what changes, what a conditional request costs, who receives."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from redline.demo.inbox import KEPT, Inbox
from redline.demo.publishing import revision_of
from redline.demo.sites import Sites
from redline.monitoring.pipeline.address import Allow
from redline.monitoring.pipeline.errors import FetchError
from redline.monitoring.pipeline.fetch import Fetched, fetch
from tests.demo.clock import Clock

PRIVACY = "/northwind-mail/privacy"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sites(clock: Clock) -> Iterator[Sites]:
    sites = Sites(received=Inbox(), clock=clock)
    sites.start()
    yield sites
    sites.stop()


@pytest.fixture
def client(sites: Sites) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sites.url, trust_env=False) as client:
        yield client


def test_a_page_really_changes_as_time_passes(client: httpx.Client, clock: Clock) -> None:
    before = client.get(PRIVACY)
    clock.seconds += 13
    after = client.get(PRIVACY)
    assert "for 90 days" in before.text
    assert "for 30 days" in after.text
    assert before.headers["etag"] != after.headers["etag"]


def test_a_page_that_has_not_changed_costs_a_304_by_its_etag(client: httpx.Client, clock: Clock) -> None:
    first = client.get(PRIVACY)
    again = client.get(PRIVACY, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    clock.seconds += 13
    assert client.get(PRIVACY, headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_a_page_that_has_not_changed_costs_a_304_by_its_date(client: httpx.Client, clock: Clock) -> None:
    since = {"If-Modified-Since": client.get(PRIVACY).headers["last-modified"]}
    assert client.get(PRIVACY, headers=since).status_code == 304
    clock.seconds += 13
    assert client.get(PRIVACY, headers=since).status_code == 200


def test_an_etag_outweighs_a_date(client: httpx.Client, clock: Clock) -> None:
    date = client.get(PRIVACY).headers["last-modified"]
    headers = {"If-None-Match": '"9-00000000"', "If-Modified-Since": date}
    assert client.get(PRIVACY, headers=headers).status_code == 200


@pytest.mark.parametrize("since", ["yesterday", "", "Mon, 99 Foo 2026 25:61:00 GMT"])
def test_a_date_that_is_none_is_as_if_it_were_not_sent(client: httpx.Client, since: str) -> None:
    assert client.get(PRIVACY, headers={"If-Modified-Since": since}).status_code == 200


def test_the_products_own_fetch_reads_a_page_and_then_only_its_validators(sites: Sites, clock: Clock) -> None:
    def get(former: Fetched | None = None) -> Fetched:
        validators = {"etag": former.etag, "last_modified": former.last_modified} if former else {}
        return fetch(f"{sites.url}{PRIVACY}", allow=Allow(hosts=frozenset({sites.host})), **validators)

    first = get()
    assert "for 90 days" in first.body
    assert get(first).not_modified
    clock.seconds += 13
    assert "for 30 days" in get(first).body


def test_one_page_is_away_at_times_and_comes_back(client: httpx.Client, clock: Clock) -> None:
    statuses = []
    for _ in range(160):
        statuses.append(client.get("/riverbend-backup/sla").status_code)
        clock.seconds += 1
    assert statuses[0] == 200, "it must be seen once before it goes away"
    assert statuses.count(503) == 50
    assert statuses[-1] == 503
    clock.seconds += 1
    assert client.get("/riverbend-backup/sla").status_code == 200


def test_a_page_that_is_away_fails_the_fetch_with_its_status(sites: Sites, clock: Clock) -> None:
    clock.seconds += 79
    with pytest.raises(FetchError, match="503 Service Unavailable"):
        fetch(f"{sites.url}/riverbend-backup/sla", allow=Allow(hosts=frozenset({sites.host})))


def test_markdown_is_served_as_such(client: httpx.Client) -> None:
    answer = client.get("/northwind-mail/terms")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.text.startswith("# Terms of Service")


def test_head_answers_like_get_without_a_body(client: httpx.Client) -> None:
    got, headed = client.get(PRIVACY), client.head(PRIVACY)
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers["content-length"] == got.headers["content-length"]


def test_every_address_of_the_listings_exists(client: httpx.Client) -> None:
    vendors = [part.split('"')[0] for part in client.get("/").text.split('href="')[1:]]
    assert len(vendors) >= 10
    for vendor in vendors:
        answer = client.get(vendor)
        assert answer.status_code == 200
        for page in (part.split('"')[0] for part in answer.text.split('href="')[1:]):
            assert client.get(page).status_code == 200
    assert client.get("/northwind-mail/nothing").status_code == 404


def test_slack_takes_a_message_and_shows_it(client: httpx.Client) -> None:
    answer = client.post("/hooks/slack", json={"text": "<b>Retention</b> shrinks"})
    assert (answer.status_code, answer.text) == (200, "ok")
    assert client.get("/hooks.json").json()[0]["text"] == "<b>Retention</b> shrinks"
    assert "&lt;b&gt;Retention" in client.get("/hooks").text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"colour": "red"}', b"\xff"])
def test_slack_refuses_what_is_no_message(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/hooks/slack", content=body)
    assert (answer.status_code, answer.text) == (400, "invalid_payload")
    assert client.get("/hooks.json").json() == []


def test_the_archived_channel_refuses_for_good(client: httpx.Client) -> None:
    assert client.post("/hooks/slack-archived", json={"text": "x"}).status_code == 410


def test_the_ticket_desk_opens_one_ticket_per_key(client: httpx.Client) -> None:
    tickets = [
        client.post("/hooks/tickets", json={"headline": "x"}, headers={"Idempotency-Key": key}).json()["key"]
        for key in ("act_1", "act_1", "act_2")
    ]
    assert tickets[0] == tickets[1] != tickets[2]


def test_a_body_that_is_too_long_is_refused_unread(client: httpx.Client) -> None:
    assert client.post("/hooks/slack", content=b"x" * 70_000).status_code == 413


def test_the_inbox_keeps_the_newest_fifty(client: httpx.Client) -> None:
    for number in range(KEPT + 5):
        client.post("/hooks/slack", json={"text": str(number)})
    assert [message["text"] for message in client.get("/hooks.json").json()][:1] == [str(KEPT + 4)]
    assert len(client.get("/hooks.json").json()) == KEPT


def test_an_etag_tells_a_later_start_where_a_page_was(client: httpx.Client, clock: Clock) -> None:
    clock.seconds += 13
    page = client.get(PRIVACY)
    later = Sites(begun=lambda: {PRIVACY: revision_of(page.headers["etag"])}, received=Inbox())
    later.start()
    try:
        again = httpx.get(f"{later.url}{PRIVACY}", headers={"If-None-Match": page.headers["etag"]}, trust_env=False)
        assert again.status_code == 304
    finally:
        later.stop()
    assert revision_of("W/weird") == 0


def test_header_names_count_in_any_case(client: httpx.Client) -> None:
    etag = client.get(PRIVACY).headers["etag"]
    assert client.get(PRIVACY, headers={"if-none-match": etag}).status_code == 304


def test_a_taken_port_is_refused(sites: Sites) -> None:
    with pytest.raises(OSError):
        Sites(port=int(sites.host.rpartition(":")[2]))
