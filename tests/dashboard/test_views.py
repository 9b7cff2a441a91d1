from __future__ import annotations

import posixpath
import re
import time
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from redline.access import CHOSEN_ORG
from redline.workspaces.models import User
from tests.dashboard.conftest import Town
from tests.dashboard.desk import PASSWORD
from tests.dashboard.markup import Markup

PAGES = ["dashboard", "sign-in"]


def signed_in(user: User, **options: bool) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


def page_of(client: Client, name: str = "dashboard", **query: str) -> Markup:
    response = client.get(reverse(name), query)
    assert response.status_code == 200
    return Markup(response.content.decode())


def test_the_board_sends_strangers_to_the_door_and_back(client: Client, town: Town) -> None:
    response = client.get("/?org=x")
    assert response.status_code == 302
    assert response["Location"] == "/sign-in?next=/%3Forg%3Dx"
    response = client.post("/sign-in", {"username": "both", "password": PASSWORD, "next": "/"})
    assert (response.status_code, response["Location"]) == (302, "/")


def test_a_wrong_password_is_said_on_the_page_and_lets_nobody_in(client: Client, town: Town) -> None:
    response = client.post("/sign-in", {"username": "both", "password": "wrong"})
    assert response.status_code == 200
    assert 'role="alert"' in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_the_door_does_not_lead_to_another_site(client: Client, town: Town) -> None:
    response = client.post("/sign-in", {"username": "both", "password": PASSWORD, "next": "https://elsewhere.example/"})
    assert response["Location"] == "/"


def test_who_is_signed_in_does_not_stand_at_the_door(town: Town) -> None:
    response = signed_in(town.both).get("/sign-in")
    assert (response.status_code, response["Location"]) == (302, "/")


def test_signing_out_takes_a_post_and_ends_the_session(town: Town) -> None:
    client = signed_in(town.both)
    assert client.get("/sign-out").status_code == 405
    assert client.post("/sign-out")["Location"] == "/sign-in"
    assert client.get("/").status_code == 302


@pytest.mark.parametrize("method", ["/sign-out", "/org", "/sign-in"])
def test_no_form_is_taken_without_its_csrf_token(town: Town, method: str) -> None:
    client = signed_in(town.both, enforce_csrf_checks=True)
    assert client.post(method, {"org": town.there.pk}).status_code == 403
    assert CHOSEN_ORG not in client.session


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_a_policy_that_allows_nothing_inline(town: Town, name: str) -> None:
    client = signed_in(town.both) if name == "dashboard" else Client()
    response = client.get(reverse(name))
    policy = dict(part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";"))
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert "unsafe" not in response["Content-Security-Policy"]
    assert "no-store" in response["Cache-Control"]


def test_the_redirect_to_the_door_has_the_policy_too(client: Client, db: None) -> None:
    assert "default-src 'self'" in client.get("/")["Content-Security-Policy"]


def test_no_page_holds_anything_that_the_policy_forbids(town: Town) -> None:
    for page in (page_of(signed_in(town.both)), page_of(Client(), "sign-in"), page_of(signed_in(town.nowhere))):
        assert page.inline == []
        assert page.files
        assert all(file.startswith("/static/dashboard/") for file in page.files)
        assert len(page.ids) == len(set(page.ids))
        assert page.labels <= set(page.ids)


def test_every_file_that_a_page_names_exists_and_so_does_every_module_that_it_imports(town: Town) -> None:
    page = page_of(signed_in(town.both))
    waiting = [file.removeprefix("/static/") for file in page.files]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        found = finders.find(name)
        assert found, name
        if name in seen or not name.endswith(".js"):
            continue
        seen.add(name)
        imported = re.findall(r'from "([^"]+)"', Path(str(found)).read_text())
        assert all(target.startswith(("./", "../streaming/")) for target in imported), name
        waiting += [posixpath.normpath(posixpath.join(posixpath.dirname(name), target)) for target in imported]
    assert {"dashboard/feed.js", "streaming/hub.js"} <= seen


def test_no_script_makes_markup_of_text() -> None:
    folder = Path(str(finders.find("dashboard/board.js"))).parent
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\.style\b")
    offenders = [file.name for file in folder.glob("*.js") if forbidden.search(file.read_text())]
    assert offenders == []


def test_the_page_tells_the_board_who_looks_at_which_org(town: Town) -> None:
    data = page_of(signed_in(town.only_here)).data["page"]
    assert data["org"] == {"id": town.here.pk, "slug": "here", "name": "Here & Co"}
    assert data["user"] == {"id": town.only_here.pk, "name": "only", "role": "viewer", "mayAct": False}
    assert data["people"] == {town.both.pk: "both", town.only_here.pk: "only"}
    assert data["csrf"]


def test_a_name_that_looks_like_markup_stays_a_name(town: Town) -> None:
    town.both.first_name = "</script><script>alert(1)</script>"
    town.both.save()
    page = page_of(signed_in(town.both))
    assert page.inline == []
    assert page.data["page"]["user"]["name"] == town.both.first_name


def test_a_viewer_is_not_offered_what_would_be_refused(town: Town) -> None:
    assert b"data-add" not in signed_in(town.only_here).get("/").content
    assert b"data-add" in signed_in(town.both).get("/").content


def test_the_board_shows_the_oldest_org_until_another_is_chosen(town: Town) -> None:
    client = signed_in(town.both)
    assert page_of(client).data["page"]["org"]["id"] == town.here.pk
    assert client.post("/org", {"org": town.there.pk})["Location"] == "/"
    assert client.session[CHOSEN_ORG] == town.there.pk
    assert page_of(client).data["page"]["org"]["id"] == town.there.pk


def test_an_org_can_be_asked_for_by_its_slug_without_being_chosen(town: Town) -> None:
    client = signed_in(town.both)
    assert page_of(client, org="there").data["page"]["org"]["id"] == town.there.pk
    assert page_of(client).data["page"]["org"]["id"] == town.here.pk


@pytest.mark.parametrize("asked", ["there", "org_doesnotexist", ""])
def test_a_foreign_org_and_one_that_does_not_exist_are_refused_alike(town: Town, asked: str) -> None:
    client = signed_in(town.only_here)
    org = town.there.pk if asked == "there" else asked
    response = client.post("/org", {"org": org}, headers={"X-Request-ID": "r"})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "forbidden")
    assert CHOSEN_ORG not in client.session
    if asked:
        assert client.get("/", {"org": asked}).status_code == 403


def test_an_org_that_one_has_left_is_not_shown_any_more(town: Town) -> None:
    client = signed_in(town.both)
    client.post("/org", {"org": town.there.pk})
    town.both.memberships.filter(org=town.there).delete()
    page = page_of(client)
    assert page.data["page"]["org"]["id"] == town.here.pk
    assert "There" not in str(page.data)


def test_who_belongs_nowhere_is_told_so(town: Town) -> None:
    response = signed_in(town.nowhere).get("/")
    assert response.status_code == 200
    assert "belong to no org yet" in response.content.decode()


def test_choosing_an_org_takes_a_post_by_somebody_who_is_signed_in(client: Client, town: Town) -> None:
    assert signed_in(town.both).get("/org").status_code == 405
    assert client.post("/org", {"org": town.here.pk})["Location"].startswith("/sign-in")


def test_the_clock_tells_the_servers_time_to_anybody(client: Client) -> None:
    before = time.time() * 1000
    response = client.get("/clock")
    assert before - 1 <= response.json()["now"] <= time.time() * 1000
    assert "no-store" in response["Cache-Control"]


def test_the_icon_is_found_by_its_old_name(client: Client) -> None:
    assert client.get("/favicon.ico")["Location"] == "/static/dashboard/favicon.svg"
