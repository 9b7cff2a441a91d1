from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from redline.projects import editing, services
from redline.projects.models import Section, SectionDraft
from redline.workspaces.models import Org, User
from tests.monitoring.world import events, make_member

pytestmark = pytest.mark.any_database

TEXT = "It keeps data for ninety days.\n\nIt tells within two days.\n"


@pytest.fixture
def ann(org: Org) -> User:
    return make_member(org)


@pytest.fixture
def ben(org: Org) -> User:
    return make_member(org)


@pytest.fixture
def section(org: Org, ann: User) -> Section:
    document = editing.add_document(services.create(org.pk, name="P", by=ann.pk), title="Terms")
    return editing.add_section(document, heading="Retention", text=TEXT, by=ann.pk)


def save(section: Section, who: User, text: str, base: int = 1) -> SectionDraft:
    return editing.save_draft(section, text=text, base_version=base, by=who.pk)


def last(section: Section, event: str) -> dict[str, Any]:
    return events(section.org_id, event)[-1][1]


def conflicts(section: Section) -> list[str]:
    return [data["conflictState"] for _, data in events(section.org_id, "section.conflict")]


def test_a_section_that_is_added_is_nobodys_news(section: Section) -> None:
    assert events(section.org_id, "section.diff", "section.conflict") == []


def test_a_saved_draft_is_told_as_its_difference_from_what_is_approved(section: Section, ann: User) -> None:
    save(section, ann, TEXT.replace("ninety", "thirty"))
    told = last(section, "section.diff")
    assert "".join(step["text"] for step in told["diff"] if step["op"] != "insert") == TEXT
    assert "thirty" in "".join(step["text"] for step in told["diff"] if step["op"] != "delete")
    assert (told["sectionId"], told["documentId"]) == (section.pk, section.document_id)
    assert (told["draftVersion"], told["approvedVersion"]) == (1, 1)
    assert conflicts(section) == []


def test_each_save_is_the_next_version_and_replaces_the_authors_own(section: Section, ann: User) -> None:
    save(section, ann, "one")
    save(section, ann, "two")
    assert list(section.drafts.values_list("version", "text")) == [(2, "two")]
    assert len(events(section.org_id, "section.diff")) == 2


def test_a_second_author_blocks_until_one_gives_up(section: Section, ann: User, ben: User) -> None:
    save(section, ann, "of Ann")
    save(section, ben, "of Ben")
    told = last(section, "section.conflict")
    assert (told["conflictState"], told["detectedBy"]) == ("blocked", ben.pk)
    assert told["conflictReason"] == "2 people have drafts of this section."
    editing.discard(section, by=ann.pk)
    told = last(section, "section.conflict")
    assert (told["conflictState"], told["conflictReason"]) == ("clean", None)
    assert [(step["conflictState"], step["by"]) for step in told["events"]] == [("blocked", ben.pk), ("clean", ann.pk)]


def test_an_approved_draft_is_the_text_and_the_others_are_behind(section: Section, ann: User, ben: User) -> None:
    save(section, ann, TEXT.replace("ninety", "thirty"))
    draft = save(section, ben, TEXT.replace("two days", "two hours"))
    editing.approve(section, draft_version=1, by=ann.pk)
    assert (section.approved_version, section.text) == (2, TEXT.replace("ninety", "thirty"))
    assert conflicts(section) == ["blocked", "rebase_required"]
    told = last(section, "section.diff")
    assert (told["draftVersion"], told["approvedVersion"]) == (draft.version, 2), "the newest draft, anew"
    with pytest.raises(ValidationError) as refusal:
        editing.approve(section, draft_version=draft.version, by=ben.pk)
    assert "rebase it first" in str(refusal.value)


def test_a_rebase_keeps_both_changes_and_the_section_is_clean_again(section: Section, ann: User, ben: User) -> None:
    save(section, ann, TEXT.replace("ninety", "thirty"))
    save(section, ben, TEXT.replace("two days", "two hours"))
    editing.approve(section, draft_version=1, by=ann.pk)
    rebased = editing.rebase(section, by=ben.pk)
    assert list(rebased.rejected) == []
    assert rebased.text == TEXT.replace("ninety", "thirty").replace("two days", "two hours")
    assert conflicts(section) == ["blocked", "rebase_required", "clean"]
    editing.approve(section, draft_version=rebased.version, by=ben.pk)
    told = last(section, "section.diff")
    assert [step["op"] for step in told["diff"]] == ["equal"], "nothing is left to approve"
    assert told["approvedVersion"] == 3


def test_what_cannot_be_applied_is_returned_and_the_rest_is_kept(section: Section, ann: User, ben: User) -> None:
    save(section, ann, "It keeps data for ninety days.\n")
    save(section, ben, TEXT.replace("within two days", "within two hours"))
    editing.approve(section, draft_version=1, by=ann.pk)
    rebased = editing.rebase(section, by=ben.pk)
    assert rebased.text == "It keeps data for ninety days.\n"
    assert [("insert", "hours") in steps for steps in rebased.rejected] == [True]


def test_a_draft_of_an_old_version_is_behind_at_once(section: Section, ann: User, ben: User) -> None:
    editing.approve(section, draft_version=save(section, ann, "new").version, by=ann.pk)
    save(section, ben, "late", base=1)
    told = last(section, "section.conflict")
    assert told["conflictState"] == "rebase_required"
    assert told["conflictReason"] == "Version 2 has been approved since version 1 was read."


@pytest.mark.parametrize("base", [0, 2, 99])
def test_a_version_that_never_was_is_no_base(section: Section, ann: User, base: int) -> None:
    with pytest.raises(ValidationError) as refusal:
        save(section, ann, "x", base=base)
    assert list(refusal.value.message_dict) == ["base_version"]
    assert not section.drafts.exists()


def test_what_is_not_there_is_neither_approved_nor_rebased_nor_given_up(section: Section, ann: User) -> None:
    for act in (
        lambda: editing.approve(section, draft_version=7, by=ann.pk),
        lambda: editing.rebase(section, by=ann.pk),
        lambda: editing.discard(section, by=ann.pk),
    ):
        with pytest.raises(ValidationError):
            act()


@pytest.mark.parametrize(("title", "heading"), [("", "ok"), ("ok", ""), ("x" * 201, "ok"), ("ok", "x" * 201)])
def test_titles_and_headings_are_said_and_short(org: Org, ann: User, title: str, heading: str) -> None:
    project = services.create(org.pk, name="P", by=ann.pk)
    with pytest.raises(ValidationError):
        editing.add_section(editing.add_document(project, title=title), heading=heading, text="", by=ann.pk)


def test_what_found_no_place_is_kept_with_the_draft_until_it_is_saved_again(
    section: Section, ann: User, ben: User
) -> None:
    save(section, ann, "It keeps nothing.\n")
    save(section, ben, TEXT.replace("ninety", "thirty"))
    editing.approve(section, draft_version=1, by=ann.pk)
    editing.rebase(section, by=ben.pk)
    assert ["insert", "thirty"] in section.drafts.get().rejected[0]
    save(section, ben, "It keeps nothing.\n", base=2)
    assert section.drafts.get().rejected == []


def test_a_draft_that_is_given_up_leaves_what_the_others_change(section: Section, ann: User, ben: User) -> None:
    save(section, ann, TEXT.replace("ninety", "thirty"))
    save(section, ben, TEXT.replace("two days", "two hours"))
    editing.discard(section, by=ben.pk)
    assert last(section, "section.diff")["draftVersion"] == 1
    editing.discard(section, by=ann.pk)
    assert [step["op"] for step in last(section, "section.diff")["diff"]] == ["equal"]


def test_texts_of_too_many_sentences_are_left_to_people(section: Section, ann: User, ben: User) -> None:
    many = "It is so. " * 1_500
    for who in (ann, ben):
        save(section, who, many)
    editing.approve(section, draft_version=1, by=ann.pk)
    with pytest.raises(ValidationError, match="too many sentences"):
        editing.rebase(section, by=ben.pk)
    assert section.drafts.get().text == many
