"""The workspace feed: envelopes, scopes, rights that move, the switch."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from flags.models import FlagState
from pytest_django.fixtures import Settings

from redline.projects import editing, services
from redline.projects.models import Project
from redline.workspaces.models import Membership, Role
from tests.monitoring.world import Rest
from tests.projects.conftest import FEED, Streams, act, numbered
from tests.streaming.asgi.world import eventually

pytestmark = [pytest.mark.any_database, pytest.mark.django_db(transaction=True)]

FOREIGN = "ffffffff.1.00000000"


async def begun(who: Rest, name: str = "P") -> Project:
    project: Project = await act(services.create, who.org.pk, name=name, by=who.user.pk)
    return project


def told(wire: Any) -> list[tuple[str, str, str]]:
    events = [one.json for one in wire.told if one.event == "project.lifecycle"]
    return [(one["kind"], one["resourceId"], one["payload"]["status"]) for one in events]


async def test_an_archived_project_is_told_in_an_envelope_to_who_is_on_it(
    streams: Streams, ann: Rest, ben: Rest
) -> None:
    project = await begun(ann)
    wire, other = await streams.open(ann), await streams.open(ben)
    await act(ann.post, f"projects/{project.pk}/archive", {"notes": "over"})
    event = await wire.next(event="project.lifecycle")
    assert set(event.json) == {"topic", "resourceId", "payload", "sequence", "emittedAt", "kind"}
    assert event.json["topic"] == event.event
    assert event.json["sequence"] == int((event.id or "").split(".")[1])
    assert event.json["payload"]["archivedBy"] == ann.user.pk
    assert told(wire) == [("event", project.pk, "archived")]
    await act(ben.post, "projects", {"name": "of Ben"})
    await other.next(event="project.lifecycle")
    assert len(told(other)) == 1, "and nothing of Ann's"


async def test_a_membership_that_is_given_widens_the_open_stream_and_one_that_is_taken_narrows_it(
    streams: Streams, ann: Rest, ben: Rest
) -> None:
    project = await begun(ann)
    wire = await streams.open(ben)
    await act(services.add_member, project, ben.user.pk)
    await act(services.change, project, by=ann.user.pk, status="active")
    await wire.next(event="project.lifecycle")
    await act(services.remove_member, project, ben.user.pk)
    await act(services.change, project, by=ann.user.pk, status="paused")
    own = await begun(ben, "own")
    await wire.next(event="project.lifecycle")
    assert told(wire) == [("event", project.pk, "active"), ("event", own.pk, "draft")]


async def test_an_owner_sees_all_of_the_org_and_nothing_of_another(
    streams: Streams, ann: Rest, owner: Rest, stranger: Rest
) -> None:
    wire, outside = await streams.open(owner), await streams.open(stranger)
    project = await begun(ann)
    foreign = await begun(stranger)
    await wire.next(event="project.lifecycle")
    await outside.next(event="project.lifecycle")
    assert (told(wire), told(outside)) == ([("event", project.pk, "draft")], [("event", foreign.pk, "draft")])


async def test_after_a_reset_each_project_is_a_snapshot(streams: Streams, ann: Rest, ben: Rest) -> None:
    projects = [await begun(ann), await begun(ann)]
    await begun(ben)
    await act(services.change, projects[0], by=ann.user.pk, status="active")
    wire = await streams.open(ann, cursor=FOREIGN)
    expected = {("snapshot", projects[0].pk, "active"), ("snapshot", projects[1].pk, "draft")}
    assert set(told(wire)) == expected


async def test_a_replay_of_too_much_tells_the_latest_status(streams: Streams, ann: Rest, settings: Settings) -> None:
    settings.STREAMING = {**settings.STREAMING, "EVENT_STREAM_REPLAY_LIMIT": 3}
    project = await begun(ann)
    await numbered(ann.org)
    wire = await streams.open(ann)
    cursor = wire.told[-1].id
    await wire.leave()
    for status in ("active", "paused", "active", "completed"):
        await act(services.change, project, by=ann.user.pk, status=status)
    await numbered(ann.org)
    resumed = await streams.open(ann, cursor=cursor)
    assert told(resumed) == [("snapshot", project.pk, "completed")]


# -- scopes


async def test_a_scope_keeps_one_project(streams: Streams, ann: Rest) -> None:
    wanted, other = await begun(ann), await begun(ann)
    wire = await streams.open(ann, projectId=wanted.pk)
    for project in (other, wanted):
        await act(services.change, project, by=ann.user.pk, status="active")
    await wire.next(event="project.lifecycle")
    assert told(wire) == [("event", wanted.pk, "active")]
    assert (await streams.wire(ann, projectId="").answered()).status == 400


async def test_a_scope_that_is_not_yours_is_refused_like_one_that_does_not_exist(
    streams: Streams, ann: Rest, ben: Rest, owner: Rest, stranger: Rest
) -> None:
    project, foreign = await begun(ann), await begun(stranger)
    bodies = set()
    for who, named in ((ben, project.pk), (ben, "prj_nobody"), (owner, foreign.pk), (owner, "prj_nobody")):
        for path in (FEED, f"{FEED}/poll"):
            wire = await streams.wire(who, path, projectId=named).answered()
            assert (wire.status, wire.told) == (403, [])
            bodies.add(wire.error["message"])
    assert len(bodies) == 1
    malformed = await streams.wire(ann, projectId="no id").answered()
    assert (malformed.status, malformed.error["code"]) == (400, "validation-failed")


async def test_a_scoped_stream_ends_with_the_right_to_its_scope(streams: Streams, ann: Rest, ben: Rest) -> None:
    project = await begun(ann)
    await act(services.add_member, project, ben.user.pk)
    wire = await streams.open(ben, projectId=project.pk)
    await act(services.remove_member, project, ben.user.pk)
    closing = await wire.next(event="stream.closing")
    assert closing.json["reason"] == "auth_revoked"


async def test_a_demoted_owner_keeps_what_he_is_on(streams: Streams, ann: Rest, owner: Rest) -> None:
    project, own = await begun(ann), await begun(owner)
    wire = await streams.open(owner)

    def demote() -> None:
        place = Membership.objects.get(user=owner.user)
        place.role = Role.MEMBER
        place.save()

    await act(demote)
    await act(services.change, project, by=ann.user.pk, status="active")
    await act(services.change, own, by=owner.user.pk, status="active")
    await wire.next(event="project.lifecycle")
    assert told(wire) == [("event", own.pk, "active")]


# -- the switch


async def test_it_is_off_unless_switched_on_and_can_be_polled_all_the_same(
    streams: Streams, ann: Rest, settings: Settings
) -> None:
    settings.FLAGS = {**settings.FLAGS, "ENABLE_EVENT_STREAM": [("boolean", False)]}
    project = await begun(ann)
    await numbered(ann.org)
    refused = await streams.wire(ann).answered()
    assert (refused.status, refused.error["code"], "retry-after" in refused.headers) == (
        503,
        "stream-unavailable",
        False,
    )
    polled = await streams.wire(ann, f"{FEED}/poll", after="0").answered()
    (event,) = orjson.loads(polled.body)["events"]
    assert (event["event"], event["data"]["resourceId"]) == ("project.lifecycle", project.pk)
    assert (await streams.wire(ann, "/v1/stream").start()).status == 200, "the org feed has no switch"


async def test_switched_off_for_one_org_its_open_streams_end_and_no_others(
    streams: Streams, ann: Rest, stranger: Rest, settings: Settings
) -> None:
    settings.STREAMING = {**settings.STREAMING, "RECHECK_EVERY": 0.05}
    wire, outside = await streams.open(ann), await streams.open(stranger)
    await act(FlagState.objects.create, name="ENABLE_EVENT_STREAM", condition="except org", value=ann.org.slug)
    assert (await wire.next(event="stream.closing")).json["reason"] == "disabled"
    await eventually(lambda: wire.ended)
    await begun(stranger)
    await outside.next(event="project.lifecycle")


# -- sections


async def test_a_documents_stream_has_its_sections_and_a_sections_only_its_own(streams: Streams, ann: Rest) -> None:
    project = await begun(ann)
    documents = [await act(editing.add_document, project, title=title) for title in "ab"]
    sections = [
        await act(editing.add_section, document, heading="h", text="One.", by=ann.user.pk)
        for document in (documents[0], documents[0], documents[1])
    ]
    whole = await streams.open(ann, documentId=documents[0].pk)
    one = await streams.open(ann, sectionId=sections[0].pk)
    nothing = await streams.open(ann, projectId=project.pk, documentId=documents[1].pk, sectionId=sections[0].pk)
    for section in sections:
        await act(editing.save_draft, section, text="Two.", base_version=1, by=ann.user.pk)
    await act(services.change, project, by=ann.user.pk, status="active")
    everything = await streams.open(ann, cursor=FOREIGN)
    await act(editing.save_draft, sections[0], text="Three.", base_version=1, by=ann.user.pk)
    for wire in (whole, one):
        await eventually(lambda wire=wire: "Three" in str(wire.told[-1].json))
    assert drafted(whole) == [sections[0].pk, sections[1].pk, sections[0].pk]
    assert drafted(one) == [sections[0].pk] * 2
    assert drafted(nothing) == []
    snapshots = {one.json["resourceId"] for one in everything.told if one.json and one.json.get("kind") == "snapshot"}
    assert snapshots == {project.pk, *(section.pk for section in sections)}
    assert told(whole) == told(one) == []


def drafted(wire: Any) -> list[str]:
    return [one.json["resourceId"] for one in wire.told if one.event == "section.diff"]


async def test_a_conflict_is_told_with_its_history_live_and_as_state(streams: Streams, ann: Rest, ben: Rest) -> None:
    project = await begun(ann)
    await act(services.add_member, project, ben.user.pk)
    document = await act(editing.add_document, project, title="a")
    section = await act(editing.add_section, document, heading="h", text="One.", by=ann.user.pk)
    wire = await streams.open(ben, sectionId=section.pk)
    for who in (ann, ben):
        await act(editing.save_draft, section, text="Two.", base_version=1, by=who.user.pk)
    conflict = await wire.next(event="section.conflict")
    payload = conflict.json["payload"]
    assert (payload["conflictState"], len(payload["events"])) == ("blocked", 1)
    assert set(payload["events"][0]) == {"at", "by", "conflictState", "reason"}
    state = await streams.open(ann, cursor=FOREIGN)
    (snapshot,) = [one.json for one in state.told if one.event == "section.conflict"]
    assert (snapshot["kind"], snapshot["payload"]) == ("snapshot", payload)


async def test_scopes_of_documents_and_sections_are_refused_like_projects(
    streams: Streams, ann: Rest, ben: Rest
) -> None:
    project = await begun(ann)
    document = await act(editing.add_document, project, title="a")
    section = await act(editing.add_section, document, heading="h", text="One.", by=ann.user.pk)
    for name, named in (("documentId", document.pk), ("sectionId", section.pk)):
        for text in (named, f"{named[:4]}nobody"):
            refused = await streams.wire(ben, **{name: text}).answered()
            assert (refused.status, refused.told) == (403, [])
        malformed = await streams.wire(ann, **{name: "*"}).answered()
        assert malformed.status == 400
        assert (await streams.wire(ann, **{name: named}).start()).status == 200


async def test_the_whole_of_a_difference_that_was_too_large_is_had_by_its_sequence(
    streams: Streams, ann: Rest, ben: Rest
) -> None:
    project = await begun(ann)
    document = await act(editing.add_document, project, title="a")
    section = await act(editing.add_section, document, heading="h", text="x" * 40_000, by=ann.user.pk)
    wire = await streams.open(ann)
    await act(editing.save_draft, section, text="y" * 40_000, base_version=1, by=ann.user.pk)
    thin = await wire.next(event="section.diff")
    assert "diff" not in thin.json["payload"]
    whole = await streams.wire(ann, f"/v1/events/{thin.json['sequence']}").answered()
    data = orjson.loads(whole.body)["data"]
    assert (data["resourceId"], len(data["payload"]["diff"])) == (section.pk, 2)
    assert (await streams.wire(ben, f"/v1/events/{thin.json['sequence']}").answered()).status == 404


async def test_state_before_and_events_make_the_state_after(streams: Streams, ann: Rest, ben: Rest) -> None:
    project = await begun(ann)
    await act(services.add_member, project, ben.user.pk)
    document = await act(editing.add_document, project, title="a")
    section = await act(editing.add_section, document, heading="h", text="One.\n\nTwo.\n", by=ann.user.pk)
    steps: list[Any] = [
        (editing.save_draft, {"text": "One!\n\nTwo.\n", "base_version": 1, "by": ann.user.pk}),
        (editing.save_draft, {"text": "One.\n\nTwo!\n", "base_version": 1, "by": ben.user.pk}),
        (editing.discard, {"by": ben.user.pk}),
        (editing.save_draft, {"text": "One.\n\nTwo!\n", "base_version": 1, "by": ben.user.pk}),
        (editing.approve, {"draft_version": 1, "by": ann.user.pk}),
        (editing.rebase, {"by": ben.user.pk}),
        (editing.approve, {"draft_version": 4, "by": ben.user.pk}),
    ]
    live = await streams.open(ann)
    for service, told in steps:
        await act(service, section, **told)
        await numbered(ann.org)
        after = held(await streams.open(ann, cursor=FOREIGN))
        await eventually(lambda after=after: held(live) == {key: after[key] for key in held(live)})


def held(wire: Any) -> dict[tuple[str, str], Any]:
    """What a page holds that has read this stream: of each topic and resource the newest, whenever it was made."""
    told = [one.json for one in wire.told if one.json and "topic" in one.json]
    return {(one["topic"], one["resourceId"]): one["payload"] | {"generatedAt": ""} for one in told}
