from __future__ import annotations

from typing import Any

import pytest

from tests.monitoring.world import Rest

pytestmark = pytest.mark.any_database

TEXT = "It keeps data for ninety days.\n\nIt tells within two days.\n"


@pytest.fixture
def project(ann: Rest, ben: Rest) -> str:
    made = str(ann.post("projects", {"name": "P"}).json["id"])
    ann.post(f"projects/{made}/members", {"userId": ben.user.pk})
    return made


@pytest.fixture
def document(ann: Rest, project: str) -> str:
    answer = ann.post(f"projects/{project}/documents", {"title": "Terms"})
    assert answer.status == 201, answer.raw
    return str(answer.json["id"])


@pytest.fixture
def section(ann: Rest, document: str) -> str:
    answer = ann.post(f"documents/{document}/sections", {"heading": "Retention", "text": TEXT})
    assert (answer.status, answer.json["approvedVersion"]) == (201, 1), answer.raw
    return str(answer.json["id"])


def put(who: Rest, section: str, text: str, base: int = 1) -> Any:
    answer = who.ask("PUT", f"sections/{section}/draft", {"text": text, "baseVersion": base})
    assert answer.status == 200, answer.raw
    return answer.json


def test_what_was_added_is_listed(ann: Rest, project: str, document: str, section: str) -> None:
    assert [one["id"] for one in ann.get(f"projects/{project}/documents").json["results"]] == [document]
    (only,) = ann.get(f"documents/{document}/sections").json["results"]
    assert (only["id"], only["text"], only["conflictState"], only["drafts"]) == (section, TEXT, "clean", [])
    assert ann.get(f"sections/{section}").json == only


def test_a_draft_is_saved_read_approved_and_gone(ann: Rest, section: str) -> None:
    fresh = ann.get(f"sections/{section}/draft").json
    assert (fresh["text"], fresh["draftVersion"], fresh["baseVersion"]) == (TEXT, None, 1)
    saved = put(ann, section, TEXT.replace("ninety", "thirty"))
    assert (saved["draftVersion"], saved["conflictState"]) == (1, "clean")
    assert ann.get(f"sections/{section}/draft").json == saved
    approved = ann.post(f"sections/{section}/approve", {"draftVersion": 1})
    assert (approved.status, approved.json["approvedVersion"], approved.json["drafts"]) == (200, 2, [])
    assert approved.json["text"] == saved["text"]


def test_spaces_and_line_ends_are_kept(ann: Rest, section: str) -> None:
    assert put(ann, section, "  a \n")["text"] == "  a \n"


def test_two_authors_see_the_conflict_rebase_and_are_done(ann: Rest, ben: Rest, section: str) -> None:
    put(ann, section, TEXT.replace("ninety", "thirty"))
    assert put(ben, section, TEXT.replace("two days", "two hours"))["conflictState"] == "blocked"
    ann.post(f"sections/{section}/approve", {"draftVersion": 1})
    behind = ben.post(f"sections/{section}/approve", {"draftVersion": 2})
    assert (behind.status, behind.code) == (409, "conflict")
    rebased = ben.post(f"sections/{section}/rebase").json
    assert (rebased["conflictState"], rebased["baseVersion"], rebased["rejected"]) == ("clean", 2, [])
    assert rebased["text"] == TEXT.replace("ninety", "thirty").replace("two days", "two hours")
    assert ben.post(f"sections/{section}/approve", {"draftVersion": rebased["draftVersion"]}).status == 200


def test_what_found_no_place_is_shown(ann: Rest, ben: Rest, section: str) -> None:
    put(ann, section, "It keeps nothing.\n")
    put(ben, section, TEXT.replace("ninety", "thirty"))
    ann.post(f"sections/{section}/approve", {"draftVersion": 1})
    rebased = ben.post(f"sections/{section}/rebase").json
    assert rebased["text"] == "It keeps nothing.\n"
    assert {"op": "insert", "text": "thirty"} in rebased["rejected"][0]


def test_a_draft_is_given_up_once(ann: Rest, section: str) -> None:
    put(ann, section, "x")
    assert ann.delete(f"sections/{section}/draft").status == 204
    assert ann.delete(f"sections/{section}/draft").status == 409
    assert ann.post(f"sections/{section}/rebase").status == 409


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "projects/{project}/documents", {}),
        ("POST", "projects/{project}/documents", {"title": ""}),
        ("POST", "documents/{document}/sections", {"heading": "x"}),
        ("POST", "documents/{document}/sections", {"heading": "", "text": ""}),
        ("PUT", "sections/{section}/draft", {"text": "x"}),
        ("PUT", "sections/{section}/draft", {"text": "x", "baseVersion": 2}),
        ("PUT", "sections/{section}/draft", {"text": "x", "baseVersion": "1"}),
        ("PUT", "sections/{section}/draft", {"text": None, "baseVersion": 1}),
        ("POST", "sections/{section}/approve", {}),
        ("POST", "sections/no id/approve", {"draftVersion": 1}),
    ],
)
def test_what_is_malformed_is_400(
    ann: Rest, project: str, document: str, section: str, method: str, path: str, body: Any
) -> None:
    answer = ann.ask(method, path.format(project=project, document=document, section=section), body)
    assert (answer.status, answer.code) == (400, "validation-failed"), answer.raw


def test_a_draft_larger_than_a_body_may_be_is_413(ann: Rest, section: str) -> None:
    answer = ann.ask("PUT", f"sections/{section}/draft", {"text": "x" * 70_000, "baseVersion": 1})
    assert (answer.status, answer.code) == (413, "too-large")


def test_the_foreign_and_the_unknown_are_the_same_403_everywhere(
    stranger: Rest, owner: Rest, viewer: Rest, project: str, document: str, section: str
) -> None:
    body = {"text": "x", "baseVersion": 1}
    messages = set()
    for who in (stranger, viewer):
        for doc, sec, prj in ((document, section, project), ("doc_no", "sec_no", "prj_no")):
            answers = [
                who.get(f"projects/{prj}/documents"),
                who.get(f"documents/{doc}/sections"),
                who.get(f"sections/{sec}"),
                who.get(f"sections/{sec}/draft"),
                who.ask("PUT", f"sections/{sec}/draft", body),
                who.delete(f"sections/{sec}/draft"),
                who.post(f"sections/{sec}/approve", {"draftVersion": 1}),
                who.post(f"sections/{sec}/rebase"),
                who.post(f"projects/{prj}/documents", {"title": "x"}),
                who.post(f"documents/{doc}/sections", {"heading": "x", "text": ""}),
            ]
            assert [answer.status for answer in answers] == [403] * 10
            messages |= {answer.json["error"]["message"] for answer in answers}
    assert len(messages) == 1
    assert owner.get(f"sections/{section}").status == 200


def test_a_draft_that_is_gone_is_a_conflict_and_a_mistake_is_told_by_the_name_that_was_sent(
    ann: Rest, section: str
) -> None:
    assert ann.post(f"sections/{section}/approve", {"draftVersion": 9}).status == 409
    wrong = ann.ask("PUT", f"sections/{section}/draft", {"text": "x", "baseVersion": 2})
    assert list(wrong.json["error"]["details"]) == ["baseVersion"]
