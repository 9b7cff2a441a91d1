"""State before + events == state after, for every announced action of monitoring, by a client written from PROTOCOL.md.

The client takes a snapshot, the action happens, the client reads on from the snapshot's cursor and applies what it
gets; then a second client takes a snapshot anew. Both must hold the same. Applying each event twice changes nothing.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
import pytest
from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application
from django.utils import timezone

from redline.monitoring import claims, delivery, publishing, records, runner, services
from redline.monitoring.models import (
    Action,
    ActionStatus,
    ChangeReport,
    PageKind,
    Policy,
    Run,
    RunStage,
    RunStatus,
    Stage,
    StageStatus,
    State,
    Vendor,
)
from redline.workspaces.models import Org, Role
from streaming.asgi import lifespan, routing
from streaming.models import ApiToken, LogEntry
from tests.acceptance import seeds
from tests.acceptance.direct import Exchange
from tests.monitoring.scripted_web import running
from tests.monitoring.world import Site, make_member, make_org, make_report, make_run, make_vendor
from tests.processes import wait_until
from tests.sse_parser import Block

FOREIGN_CURSOR = "zz.1.00000001"
"""No server gives it out; a stream that is opened with it sends the state."""


@dataclass
class Board:
    """What a page of the org feed keeps: unresolved changes with their actions, runs that run, entitlements."""

    entitlements: dict[str, Any] | None = None
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    actions: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def read(self, blocks: list[Block], *, times: int = 1) -> Board:
        """Apply a stream's blocks in their order, each event so many times."""
        for block in blocks:
            if block.event == "stream.reset":
                self.__init__()  # type: ignore[misc]
            elif block.data and block.event and not block.event.startswith("stream."):
                for _ in range(times):
                    self.apply(block.event, orjson.loads(block.data))
        return self

    def apply(self, event: str, data: dict[str, Any]) -> None:
        match event:
            case "org.entitlements.changed":
                self.entitlements = data
            case "change.detected":
                fresh = {"state": "new", "by": "usr_system"}
                self.changes[data["changeReportId"]] = {**fresh, **self.changes.get(data["changeReportId"], {}), **data}
            case "change.stateChanged":
                self._move(data)
            case "action.delivered":
                if data["changeReportId"] in self.changes:
                    self.actions[data["actionId"]] = data
            case "scheduler.tick":
                self.runs[data["runId"]] = {"stage": None, **self.runs.get(data["runId"], {}), **data}
            case "run.stage":
                self._stage(data)

    def _move(self, data: dict[str, Any]) -> None:
        change = data["changeReportId"]
        if data["state"] == "resolved":
            self.changes.pop(change, None)
            self.actions = {key: one for key, one in self.actions.items() if one["changeReportId"] != change}
        elif change in self.changes:
            self.changes[change] |= {"state": data["state"], "by": data["by"]}

    def _stage(self, data: dict[str, Any]) -> None:
        ended = data["status"] == "failed" or (data["stage"] == "publish" and data["status"] != "started")
        if ended:
            self.runs.pop(data["runId"], None)
        elif data["runId"] in self.runs:
            self.runs[data["runId"]]["stage"] = data


@dataclass
class Monitored:
    """An org under watch: what an action finds."""

    org: Org
    site: Site
    user: str
    vendor: Vendor
    headers: dict[str, str]

    def report(self, state: str = State.NEW) -> ChangeReport:
        until = timezone.now() + timedelta(hours=1) if state == State.SNOOZED else None
        return make_report(self.org, vendor=self.vendor, state=state, snoozed_until=until)

    def action(self, **fields: Any) -> Action:
        fields = {"kind": "email", "target": "legal@mail.example", **fields}
        return Action.objects.create(org=self.org, report=fields.pop("report", None) or self.report(), **fields)

    def run(self, vendor: Vendor | None = None) -> Run:
        return make_run(vendor or make_vendor(self.org))


Act = Callable[[], object]
Scenario = Callable[[Monitored], Act]
"""Arranges, and returns what is then done between the two snapshots."""

SCENARIOS: dict[str, Scenario] = {}


def scenario(arrange: Scenario) -> Scenario:
    SCENARIOS[getattr(arrange, "__name__", str(arrange))] = arrange
    return arrange


def moves() -> Iterator[tuple[str, Scenario]]:
    """Yield each service that moves a change, from each state from which it may."""
    steps: dict[str, tuple[tuple[str, ...], Callable[[ChangeReport, str], object]]] = {
        "acknowledge": ((State.NEW, State.SNOOZED), lambda report, by: services.acknowledge(report, by=by, note="n")),
        "start": ((State.ACKNOWLEDGED,), lambda report, by: services.start(report, by=by)),
        "snooze": (
            (State.NEW, State.ACKNOWLEDGED, State.IN_PROGRESS),
            lambda report, by: services.snooze(report, timezone.now() + timedelta(hours=1), by=by),
        ),
        "resolve": (
            (State.NEW, State.ACKNOWLEDGED, State.IN_PROGRESS, State.SNOOZED),
            lambda report, by: services.resolve(report, "accepted", by=by),
        ),
    }
    for name, (states, step) in steps.items():
        for state in states:
            yield f"{name}_from_{state}", _moving(state, step)


def _moving(state: str, step: Callable[[ChangeReport, str], object]) -> Scenario:
    def arrange(on: Monitored) -> Act:
        report = on.report(state)
        on.action(report=report)
        return lambda: step(report, on.user)

    return arrange


SCENARIOS.update(moves())


@scenario
def a_snooze_ends_by_itself(on: Monitored) -> Act:
    report = on.report(State.SNOOZED)
    return lambda: services.wake_snoozed(report.snoozed_until + timedelta(seconds=1))


@scenario
def a_state_is_saved_as_the_admin_does(on: Monitored) -> Act:
    report = on.report()

    def act() -> None:
        report.state, report.resolution = State.RESOLVED, "accepted"
        report.full_clean()
        report.save()

    return act


@scenario
def a_report_is_written(on: Monitored) -> Act:
    return on.report


@scenario
def reports_are_written_in_bulk(on: Monitored) -> Act:
    rows = [
        ChangeReport(org=on.org, vendor=on.vendor, severity=severity, headline=severity) for severity in ("P1", "P3")
    ]
    return lambda: ChangeReport.objects.bulk_create(rows)


@scenario
def a_reports_words_are_corrected(on: Monitored) -> Act:
    report = on.report()

    def act() -> None:
        report.why = "Corrected by hand."
        report.save()

    return act


@scenario
def entitlements_are_made(on: Monitored) -> Act:
    return lambda: services.set_entitlement(on.org.pk, compliance_pack=True)


@scenario
def entitlements_are_changed(on: Monitored) -> Act:
    services.set_entitlement(on.org.pk)
    return lambda: services.set_entitlement(on.org.pk, auditor_portal=True)


@scenario
def entitlements_are_set_to_what_they_are(on: Monitored) -> Act:
    services.set_entitlement(on.org.pk, compliance_pack=True)
    return lambda: services.set_entitlement(on.org.pk, compliance_pack=True, auditor_portal=False)


@scenario
def an_action_is_queued(on: Monitored) -> Act:
    report = on.report()
    return lambda: on.action(report=report)


@scenario
def an_action_is_delivered(on: Monitored) -> Act:
    action = on.action()
    return lambda: delivery.deliver_actions([action], pause=lambda _: None)


@scenario
def an_action_fails(on: Monitored) -> Act:
    action = on.action(kind="jira", target="http://127.0.0.1:1/rest")
    return lambda: delivery.deliver_actions([action], pause=lambda _: None)


@scenario
def an_action_of_a_resolved_change_is_delivered(on: Monitored) -> Act:
    action = on.action(report=on.report(State.RESOLVED))
    return lambda: delivery.deliver_actions([action], pause=lambda _: None)


@scenario
def an_action_gets_its_external_id(on: Monitored) -> Act:
    action = on.action(kind="jira")

    def act() -> None:
        action.status, action.external_id = ActionStatus.DELIVERED, "RED-7"
        action.save()

    return act


@scenario
def a_run_is_claimed(on: Monitored) -> Act:
    return lambda: claims.claim_due(timezone.now(), 900)


@scenario
def a_run_is_asked_for(on: Monitored) -> Act:
    vendor = make_vendor(on.org)
    return lambda: claims.claim_now(vendor)


@scenario
def a_stage_begins(on: Monitored) -> Act:
    run = on.run()
    return lambda: records.Record(run).begin(Stage.FETCH)


@scenario
def a_stage_ends_and_the_next_begins(on: Monitored) -> Act:
    record = records.Record(on.run())
    row = record.begin(Stage.FETCH)

    def act() -> None:
        record.end(row, StageStatus.COMPLETED)
        record.begin(Stage.DIFF)

    return act


@scenario
def a_stage_fails(on: Monitored) -> Act:
    record = records.Record(on.run())
    row = record.begin(Stage.FETCH)
    return lambda: record.fail(row, "The page is gone.")


@scenario
def a_run_is_given_up_before_its_first_stage(on: Monitored) -> Act:
    run = on.run()
    return lambda: records.abandon(run.pk, reason="gone")


@scenario
def a_run_is_given_up_within_a_stage(on: Monitored) -> Act:
    run = on.run()
    records.Record(run).begin(Stage.REASON)
    return lambda: records.abandon(run.pk, reason="gone")


@scenario
def a_stale_run_is_found(on: Monitored) -> Act:
    make_run(make_vendor(on.org), started_at=timezone.now() - timedelta(hours=1))
    return lambda: claims.fail_stale(timezone.now())


@scenario
def a_run_finds_nothing(on: Monitored) -> Act:
    record = records.Record(on.run())
    for stage in (Stage.FETCH, Stage.DIFF):
        with record.stage(stage):
            pass
    return lambda: publishing.publish_nothing(record, [], skipped=(Stage.REASON, Stage.PUBLISH))


@scenario
def a_whole_run_reads_pages_for_the_first_time(on: Monitored) -> Act:
    vendor = make_vendor(on.org, pages={on.site.write("terms", "You may cancel at any time."): PageKind.TERMS})
    return lambda: runner.run_vendor(claims.claim_now(vendor))


@scenario
def a_whole_run_finds_a_change_and_delivers_its_actions(on: Monitored) -> Act:
    url = on.site.write("terms", "We keep data for 30 days.", "You may cancel at any time.")
    vendor = make_vendor(on.org, pages={url: PageKind.TERMS})
    routes = [{"kind": "email", "target": "legal@mail.example"}, {"kind": "jira", "target": "http://127.0.0.1:1/"}]
    Policy.objects.create(org=on.org, name="All", materiality="cosmetic", routes=routes)
    runner.run_vendor(claims.claim_now(vendor))
    on.site.write("terms", "We keep data for 900 days.", "You may cancel at any time.")

    def act() -> None:
        runner.run_vendor(claims.claim_now(vendor), pause=lambda _: None)
        assert {action.status for action in Action.objects.filter(report__vendor=vendor)} == {"delivered", "failed"}

    return act


@scenario
def a_whole_run_fails(on: Monitored) -> Act:
    vendor = make_vendor(on.org, pages={on.site.url("missing"): PageKind.TERMS})
    return lambda: runner.run_vendor(claims.claim_now(vendor))


@scenario
def what_is_rolled_back_never_was(on: Monitored) -> Act:
    report = on.report(State.RESOLVED)

    def act() -> None:
        with pytest.raises(Exception, match="cannot become"):
            services.start(report, by=on.user)

    return act


SILENT = {
    "a_reports_words_are_corrected",
    "entitlements_are_set_to_what_they_are",
    "what_is_rolled_back_never_was",
}
"""Scenarios in which nothing changes that is announced."""

# -- the comparison --------------------------------------------------------------------------------------------------


@pytest.fixture
async def application(transactional_db: None) -> AsyncIterator[Any]:
    yield routing.application(get_asgi_application())
    await lifespan.stop_all()


@pytest.fixture
def site(settings: Any) -> Iterator[Site]:
    with running() as web:
        settings.REDLINE_FETCH_HOSTS = [web.address]
        yield Site(web)


@sync_to_async
def monitored(site: Site) -> Monitored:
    org = make_org()
    user = make_member(org, Role.OWNER)
    _, secret = ApiToken.issue(user=user, org=org.pk)
    on = Monitored(
        org=org,
        site=site,
        user=user.pk,
        vendor=make_vendor(org),
        headers={"Authorization": f"Bearer {secret}"},
    )
    # Something of everything is there already, so that a state has what must not change.
    on.action(report=on.report(State.IN_PROGRESS))
    RunStage.objects.create(run=on.run(), stage=Stage.FETCH)
    make_run(make_vendor(org), status=RunStatus.COMPLETED)
    return on


async def read_on(application: Any, on: Monitored, cursor: str) -> tuple[list[Block], str]:
    """Read up to the head, from a cursor or, with a foreign one, from the state."""
    async with Exchange.open(application, "/v1/stream", headers=on.headers | {"Last-Event-ID": cursor}) as stream:
        await stream.until(lambda seen: seen.has("stream.caught_up"))
        return stream.blocks, stream.last_event_id


async def sequenced() -> None:
    waiting = LogEntry.objects.filter(sequence=None)
    await sync_to_async(wait_until)(lambda: not waiting.all().exists(), within=10, what="the outbox is empty")


@pytest.mark.any_database
@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_state_before_and_the_events_make_the_state_after(name: str, application: Any, site: Site) -> None:
    on = await monitored(site)
    act = await sync_to_async(SCENARIOS[name])(on)
    events = await hold_together(application, on, act)
    announced = [block.event for block in events if not str(block.event).startswith("stream.")]
    assert bool(announced) is (name not in SILENT), announced


async def hold_together(application: Any, on: Monitored, act: Act) -> list[Block]:
    """Do it between two snapshots and compare; returns what was sent in between."""
    await sequenced()
    before, cursor = await read_on(application, on, FOREIGN_CURSOR)
    await sync_to_async(act)()
    await sequenced()
    events, _ = await read_on(application, on, cursor)
    after, _ = await read_on(application, on, FOREIGN_CURSOR)
    assert not [block for block in after if '"state":"resolved"' in (block.data or "")]
    expected = Board().read(after)
    assert Board().read(before).read(events) == expected
    assert Board().read(before, times=2).read(events, times=2) == expected
    return events


@pytest.mark.any_database
async def test_a_random_walk_through_all_of_them_holds_together_at_every_step(application: Any, site: Site) -> None:
    draw = random.Random(seeds.draw("random walk"))
    on = await monitored(site)
    names = [name for name in SCENARIOS if "whole_run_finds" not in name]
    for name in draw.choices(names, k=40):
        await hold_together(application, on, await sync_to_async(SCENARIOS[name])(on))
