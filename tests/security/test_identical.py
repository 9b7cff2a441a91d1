"""What is missing, what is another org's and what one may not do are told apart by no byte, over real sockets."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.acceptance.house import House, Member
from tests.issuer import shared
from tests.security.conftest import Place

pytestmark = pytest.mark.servers

STEPS = {
    "acknowledge": {},
    "start": {},
    "snooze": {"untilAt": "2999-01-01T00:00:00Z"},
    "resolve": {"resolution": "accepted"},
}
Told = tuple[int, tuple[tuple[str, str], ...], bytes]


async def ask(house: House, token: str, method: str, path: str, body: Any = None) -> Told:
    """Return all that tells one answer from another."""
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "r"}
    async with httpx.AsyncClient(base_url=house.server.url, headers=headers, timeout=10, trust_env=False) as client:
        answered = await client.request(method, path, json=body)
    told = {name.lower(): value for name, value in answered.headers.items() if name.lower() != "date"}
    return answered.status_code, tuple(sorted(told.items())), answered.content


async def rows(house: House, member: Member) -> dict[str, str]:
    """Make a change and the vendor that it is of, and return their ids."""
    change = (await house.clerk.detect(org=member.org, count=1))[0]
    status, _, body = await ask(house, member.token, "GET", "/v1/vendors")
    assert status == 200
    return {"change": change, "vendor": httpx.Response(200, content=body).json()["results"][0]["id"]}


def requests(change: str, vendor: str) -> dict[str, tuple[str, str, Any]]:
    """Return one request of each kind that names a row."""
    return {
        **{step: ("POST", f"/v1/changes/{change}/{step}", body) for step, body in STEPS.items()},
        "run": ("POST", "/v1/runs", {"vendorId": vendor}),
        "change": ("GET", f"/v1/changes/{change}", None),
        "vendor": ("GET", f"/v1/vendors/{vendor}", None),
        "patched vendor": ("PATCH", f"/v1/vendors/{vendor}", {"name": "Mine"}),
    }


async def test_rest_tells_missing_foreign_and_forbidden_apart_by_no_byte(place: Place) -> None:
    house = place.house
    owner, stranger = await house.owner(), await house.owner()
    viewer = await house.member(owner.org, role="viewer")
    own, foreign = await rows(house, owner), await rows(house, stranger)
    missing = {"change": "chg_missing", "vendor": "vnd_missing"}
    head = await house.clerk.head(org=stranger.org)
    for token in (owner.token, shared(owner.user)):
        for name, request in requests(**foreign).items():
            answers = {await ask(house, token, *request), await ask(house, token, *requests(**missing)[name])}
            if request[0] != "GET":
                answers.add(await ask(house, viewer.token, *requests(**own)[name]))
            assert len(answers) == 1, f"{name}: {answers}"
            assert answers.pop()[0] == 403, name
    assert await house.clerk.head(org=stranger.org) == head, "and nothing was done"


async def test_one_event_that_is_trimmed_hidden_or_not_there_yet_is_the_same(house: House) -> None:
    owner = await house.owner()
    member = await house.member(owner.org)
    await house.clerk.emit(org=owner.org, count=3)
    hidden = int((await house.clerk.whisper(org=owner.org, to=owner.user)).split(".")[1])
    await house.clerk.trim(org=owner.org, floor=3)
    answers = {await ask(house, member.token, "GET", f"/v1/events/{number}") for number in (1, 2, hidden, 99, 10**17)}
    assert len(answers) == 1, answers
    assert answers.pop()[0] == 404
    assert (await ask(house, owner.token, "GET", f"/v1/events/{hidden}"))[0] == 200


@pytest.mark.parametrize("path", ["/v1/stream", "/v1/stream/poll", "/v1/events", "/v1/events/1"])
async def test_a_stream_of_an_org_that_is_missing_foreign_or_left_is_the_same(place: Place, path: str) -> None:
    house = place.house
    owner, stranger = await house.owner(), await house.owner()
    token = shared(owner.user, org=None)
    answers = {
        await ask(house, token, "GET", f"{path}?org={org}")
        for org in (stranger.org, "org_missing", "no-such-slug", "%00", "x" * 300, "%C3%BC")
    }
    answers |= {await ask(house, shared(owner.user, org=org), "GET", path) for org in (stranger.org, "org_missing", 5)}
    assert len(answers) == 1, answers
    assert answers.pop()[0] == 403
