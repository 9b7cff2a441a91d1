"""Writers as processes of their own: random transactions through the real models, and a journal of what they did.

    python -m tests.acceptance.writers prepare --orgs 3            orgs, users, tokens; one line of JSON
    python -m tests.acceptance.writers write --writer 1 --seed 7 …   one line of JSON per transaction or savepoint

The journal is the truth that readers are held to: a line says `committed` only after the commit has returned. A
writer moves rows of its own, and flips one row per org that all writers share. Nothing here is imported by a test;
`tests.acceptance.scene` starts it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import django

django.setup()

from django.db import InterfaceError, OperationalError, transaction  # noqa: E402 - models exist only after setup

from redline.ids import new_id  # noqa: E402
from redline.monitoring import services  # noqa: E402
from redline.monitoring.models import (  # noqa: E402
    Action,
    ActionStatus,
    Change,
    ChangeReport,
    Entitlement,
    Policy,
    Run,
    RunStage,
    RunStatus,
    Stage,
    StageStatus,
    State,
    Vendor,
)
from redline.monitoring.streams import ChangeDetected  # noqa: E402
from redline.workspaces.models import Org, Role, User  # noqa: E402
from streaming import emit  # noqa: E402
from streaming.models import ApiToken  # noqa: E402
from tests.acceptance.history import identity  # noqa: E402
from tests.people import settle  # noqa: E402

NEXT = {State.NEW: State.ACKNOWLEDGED, State.ACKNOWLEDGED: State.IN_PROGRESS, State.IN_PROGRESS: State.RESOLVED}
ROLLED_BACK = 0.15


class Undo(Exception):
    """Rolls a transaction or a savepoint back."""


@dataclass(kw_only=True)
class Step:
    org: str
    events: list[str]
    kept: Callable[[], None] = lambda: None
    undone: Callable[[], None] = lambda: None


@dataclass
class Pool:
    """A writer's own rows in one org, as committed."""

    org: str
    vendor: Vendor
    reports: list[tuple[str, str]] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)


class Writer:
    def __init__(self, number: int, orgs: list[str], *, seed: int, steps: int) -> None:
        self.number = number
        self.random = random.Random(f"{seed}/{number}")
        self.steps = steps
        self.count = 0
        self.begun = 0
        vendors = {vendor.org_id: vendor for vendor in Vendor.objects.filter(org__in=orgs)}
        self.pools = [Pool(org, vendors[org]) for org in orgs]
        self.acts = [self.detect, self.detect, self.advance, self.act, self.deliver, self.run, self.emit]

    def turn(self) -> None:
        """Run one transaction: committed, rolled back, or with a savepoint of its own rolled back."""
        fate = self.random.random()
        pools = self.random.sample(self.pools, 2 if len(self.pools) > 1 and self.random.random() < 0.1 else 1)
        outer = self.begin()
        undone: tuple[int, list[Step]] | None = None
        done: list[Step] = []
        begun, ready = time.monotonic(), False
        try:
            with transaction.atomic():
                done += self.several(pools, shared=True)
                if ROLLED_BACK / 2 <= fate < ROLLED_BACK:
                    undone = self.savepoint(pools)
                    done += self.several(pools)
                if self.random.random() < 0.1:
                    time.sleep(self.random.uniform(0, 0.005))
                if fate < ROLLED_BACK / 2:
                    raise Undo
                ready = True
        except Undo:
            self.note(outer, done, committed=False, begun=begun)
        except (OperationalError, InterfaceError) as error:
            self.note(outer, done, committed=None if ready else False, begun=begun)
            self.put_off(error)
        else:
            self.note(outer, done, committed=True, begun=begun)
        if undone is not None:
            self.note(*undone, committed=False, begun=begun)

    def put_off(self, error: Exception) -> None:
        """End, for the database has gone away; writers that expect it wait for its return."""
        raise error

    def savepoint(self, pools: list[Pool]) -> tuple[int, list[Step]]:
        number, done = self.begin(), []
        with suppress(Undo), transaction.atomic():
            done += self.several(pools)
            raise Undo
        return number, done

    def begin(self) -> int:
        self.begun += 1
        return self.begun

    def several(self, pools: list[Pool], *, shared: bool = False) -> list[Step]:
        many = self.random.randint(1, self.steps)
        steps = [self.random.choice(self.acts)(self.random.choice(pools)) for _ in range(many)]
        # One shared row a transaction, and last: two in different orders would be this writer's own deadlock.
        if shared and self.random.random() < 0.1:
            steps.append(self.entitle(pools[0]))
        return steps

    def note(self, number: int, steps: list[Step], *, committed: bool | None, begun: float) -> None:
        for step in steps if committed else ():
            step.kept()
        now = time.monotonic()
        events = [[step.org, one] for step in steps for one in step.events]
        line = {"writer": self.number, "number": number, "committed": committed, "events": events}
        line |= {"at": now, "took": now - begun}
        sys.stdout.write(json.dumps(line) + "\n")
        self.count += len(events) if committed else 0

    # -- acts --------------------------------------------------------------------------------------------------------

    def detect(self, pool: Pool) -> Step:
        report = ChangeReport.objects.create(org_id=pool.org, vendor=pool.vendor, severity="P2", headline="A change")
        event = identity("change.detected", {"changeReportId": report.pk})
        return Step(org=pool.org, events=[event], kept=lambda: pool.reports.append((report.pk, State.NEW)))

    def advance(self, pool: Pool) -> Step:
        if not pool.reports:
            return self.detect(pool)
        chosen = pool.reports.pop(self.random.randrange(len(pool.reports)))
        report = ChangeReport.objects.get(pk=chosen[0])
        report.state = NEXT[State(chosen[1])]
        report.save()
        event = identity("change.stateChanged", {"changeReportId": report.pk, "state": report.state})
        is_open = report.state != State.RESOLVED
        kept = (lambda: pool.reports.append((report.pk, report.state))) if is_open else lambda: None
        return Step(org=pool.org, events=[event], kept=kept)

    def act(self, pool: Pool) -> Step:
        if not pool.reports:
            return self.detect(pool)
        report_id = self.random.choice(pool.reports)[0]
        actions = Action.objects.bulk_create(
            [Action(org_id=pool.org, report_id=report_id, kind="jira") for _ in range(self.random.randint(1, 2))]
        )
        events = [identity("action.delivered", {"actionId": one.pk, "status": one.status}) for one in actions]
        return Step(org=pool.org, events=events, kept=lambda: pool.actions.extend(one.pk for one in actions))

    def deliver(self, pool: Pool) -> Step:
        if not pool.actions:
            return self.act(pool)
        pk = pool.actions.pop(self.random.randrange(len(pool.actions)))
        action = Action.objects.get(pk=pk)
        action.status, action.external_id = ActionStatus.DELIVERED, "RED-1"
        action.save()
        event = identity("action.delivered", {"actionId": pk, "status": action.status})
        return Step(org=pool.org, events=[event])

    def run(self, pool: Pool) -> Step:
        run = Run.objects.create(org_id=pool.org, vendor=pool.vendor, status=RunStatus.COMPLETED)
        stage = RunStage.objects.create(run=run, stage=Stage.FETCH)
        stage.status, stage.duration_ms = StageStatus.COMPLETED, 7
        stage.save()
        events = [identity("scheduler.tick", {"runId": run.pk})]
        events += [
            identity("run.stage", {"runId": run.pk, "stage": "fetch", "status": status})
            for status in ("started", "completed")
        ]
        return Step(org=pool.org, events=events)

    def emit(self, pool: Pool) -> Step:
        event = ChangeDetected(change_report_id=new_id("chg"), vendor_id=pool.vendor.pk, severity="P3", headline="x")
        emit(event, org=pool.org)
        return Step(org=pool.org, events=[identity("change.detected", {"changeReportId": event.change_report_id})])

    def entitle(self, pool: Pool) -> Step:
        row = Entitlement.objects.select_for_update(no_key=True).get(org_id=pool.org)
        row.compliance_pack = not row.compliance_pack
        row.changed_at = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=self.number, seconds=self.begun)
        row.save()
        told = {"changedAt": row.changed_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "compliancePack": row.compliance_pack}
        return Step(org=pool.org, events=[identity("org.entitlements.changed", told)])


def write(options: argparse.Namespace) -> None:
    """Write until `--events` are committed, at most `--rate` a second."""
    writer = Writer(options.writer, options.orgs.split(","), seed=options.seed, steps=options.steps)
    started = time.monotonic()
    while writer.count < options.events:
        if options.rate:
            time.sleep(max(0.0, started + writer.count / options.rate - time.monotonic()))
        writer.turn()


def prepare(options: argparse.Namespace) -> None:
    """Make orgs with a vendor, an entitlement, an owner and the owner's token."""
    made: list[dict[str, Any]] = []
    with transaction.atomic():
        for number in range(options.orgs):
            org = Org.objects.create(slug=f"org-{number}", name=f"Org {number}")
            user = User.objects.create(username=f"owner-{number}")
            settle(org.pk, user.pk, Role.OWNER)
            Vendor.objects.create(org=org, name="Vendor", homepage_url="https://vendor.example/")
            Entitlement.objects.unstreamed().bulk_create([Entitlement(org=org)])
            _, secret = ApiToken.issue(user=user, org=org.pk)
            made.append({"org": org.pk, "user": user.pk, "token": secret})
    sys.stdout.write(json.dumps(made) + "\n")


def canary(options: argparse.Namespace) -> None:
    """Put a value wherever a row has room for what no event announces, and move every row that does announce."""
    value = options.value
    org = Org.objects.get()
    user = User.objects.get()
    password = f"pbkdf2_sha256$1${value}$x"  # not by save(), for the log tells of a new one, where events are counted
    User.objects.filter(pk=user.pk).update(email=f"{value}@mail.example", first_name=value, password=password)
    vendor = Vendor.objects.get()
    vendor.owner, vendor.name, vendor.homepage_url = user, value, f"https://{value}.example/"
    vendor.save()
    vendor.pages.create(url=f"https://vendor.example/{value}", etag=value)
    Policy.objects.create(org=org, name=value, recommendation=value, keywords=[value])
    run = Run.objects.create(org=org, vendor=vendor)
    stage = RunStage.objects.create(run=run, stage=Stage.FETCH, reason=value)
    stage.status, stage.reason = StageStatus.FAILED, value
    stage.save()
    report = ChangeReport.objects.create(
        org=org, vendor=vendor, run=run, severity="P1", headline="A change", why=value, recommendation=value
    )
    Change.objects.create(
        report=report, category="data", materiality="minor", section=value, summary=value, before=value, after=value
    )
    action = Action.objects.create(org=org, report=report, kind="email", target=f"{value}@mail.example")
    action.status, action.reason = ActionStatus.FAILED, value
    action.save()
    services.acknowledge(report, by=user.pk, note=value)
    services.start(report, by=user.pk, note=value)


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    preparing = commands.add_parser("prepare")
    preparing.add_argument("--orgs", type=int, required=True)
    preparing.set_defaults(do=prepare)
    escaping = commands.add_parser("canary")
    escaping.add_argument("--value", required=True)
    escaping.set_defaults(do=canary)
    writing = commands.add_parser("write")
    writing.add_argument("--writer", type=int, required=True)
    writing.add_argument("--seed", type=int, required=True)
    writing.add_argument("--orgs", required=True)
    writing.add_argument("--events", type=int, required=True)
    writing.add_argument("--rate", type=float, default=0)
    writing.add_argument("--steps", type=int, default=3)
    writing.set_defaults(do=write)
    options = parser.parse_args()
    options.do(options)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
