"""What no REST view answers: the envelope all the same, and never a 5xx for a bad request."""

from __future__ import annotations

import json

import pytest
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.test import Client, RequestFactory

from redline import errors

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("path", ["/v1/vendors?org=%00", "/?x=%00", "/sign-in?next=a%00b", "/admin/login/%00"])
def test_nul_in_an_address_is_refused_before_anything_is_asked(path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code == 400
    assert answer.json()["error"]["requestId"] == answer["X-Request-ID"]


@pytest.mark.parametrize("path", ["/", "/sign-in", "/admin/"])
def test_nul_in_a_session_cookie_is_refused(path: str) -> None:
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = "aaaaaaaaaa\0"
    assert client.get(path).status_code == 400


async def test_the_async_road_refuses_it_too(async_client: object) -> None:
    answer = await async_client.get("/sign-in?x=%00")  # type: ignore[attr-defined]
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("view", "status", "code"),
    [
        (errors.bad_request, 400, "validation-failed"),
        (errors.permission_denied, 403, "forbidden"),
        (errors.page_not_found, 404, "not-found"),
        (errors.server_error, 500, "internal"),
        (errors.csrf_failure, 403, "forbidden"),
    ],
)
def test_every_error_page_is_the_envelope(view: object, status: int, code: str) -> None:
    request = RequestFactory().get("/", headers={"X-Request-ID": "abc.1"})
    answer = view(request)  # type: ignore[operator]
    assert answer.status_code == status
    assert json.loads(answer.content)["error"]["code"] == code
    assert json.loads(answer.content)["error"]["requestId"] == "abc.1"


@pytest.mark.parametrize("away", [OperationalError, InterfaceError])
def test_a_database_that_does_not_answer_is_unavailable(away: type[Exception]) -> None:
    context = {"request": RequestFactory().get("/v1/changes", headers={"X-Request-ID": "abc.1"})}
    answer = errors.envelope_handler(away("the connection is lost"), context)
    assert answer is not None
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
    assert answer.data["error"]["code"] == "stream-unavailable"
    assert "connection" not in answer.data["error"]["message"]


def test_an_unknown_path_is_the_envelope() -> None:
    answer = Client().get("/v1/nothing-here", headers={"X-Request-ID": "bad id"})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not-found"
    assert answer["X-Request-ID"] != "bad id"
