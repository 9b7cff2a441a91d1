from __future__ import annotations

import os
import pty
import signal
import sqlite3
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from redline.monitoring import records, scheduling, workers
from redline.monitoring.models import Action, ChangeReport, Run, State, Vendor
from redline.monitoring.scheduling import Scheduler, Waker
from redline.workspaces.models import Org
from tests import servers
from tests.environment import PYTHON, ROOT, for_child
from tests.monitoring.world import Site, events, make_report, make_run, make_vendor
from tests.processes import wait_until


@pytest.fixture
def scheduler() -> Any:
    made: list[Scheduler] = []

    def make(**kwargs: Any) -> Scheduler:
        made.append(Scheduler(**kwargs))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def completed(vendor: Vendor) -> int:
    return Run.objects.filter(vendor=vendor, status="completed").count()


def test_due_vendors_are_run_again_and_again(org: Org, site: Site, scheduler: Any) -> None:
    vendor = make_vendor(org, pages={site.write("terms", "We keep it."): "terms"})
    scheduler(cadence=0.3).start()
    wait_until(lambda: completed(vendor) >= 2, within=15, what="two runs")


def test_once_runs_what_is_due_and_no_more(org: Org, site: Site, scheduler: Any) -> None:
    page = {site.write("terms", "We keep it."): "terms"}
    due = [make_vendor(org, pages=page) for _ in range(6)]
    later = make_vendor(org, pages=page, next_run_at=timezone.now() + timedelta(hours=1))
    assert scheduler(cadence=0.01).run_once() == 6
    assert [completed(vendor) for vendor in due] == [1] * 6
    assert completed(later) == 0


def test_two_schedulers_beside_each_other_run_each_vendor_once(org: Org, site: Site, scheduler: Any) -> None:
    page = {site.write("terms", "We keep it."): "terms"}
    vendors = [make_vendor(org, pages=page) for _ in range(8)]
    both = [scheduler(cadence=900), scheduler(cadence=900)]
    for one in both:
        one.start()
    wait_until(lambda: sum(map(completed, vendors)) == 8, within=20, what="all vendors are through")
    assert sum(one.claimed for one in both) == 8
    assert Run.objects.count() == 8


def test_a_run_under_way_is_given_up_when_it_does_not_end_and_is_due_again(
    org: Org, site: Site, scheduler: Any
) -> None:
    vendor = make_vendor(org, pages={site.write("terms", "We keep it."): "terms"})
    site.web.script = lambda handler: time.sleep(4)  # a page that hangs
    running = scheduler(cadence=900)
    running.start()
    wait_until(lambda: Run.objects.filter(stages__stage="fetch").exists(), within=10, what="the run has begun")
    begun = time.monotonic()
    running.stop(0.5)
    assert time.monotonic() - begun < 3
    run = Run.objects.get()
    assert (run.status, run.stages.get().status, run.stages.get().reason) == ("failed", "failed", workers.STOPPED)
    assert Vendor.objects.get(pk=vendor.pk).next_run_at <= timezone.now()


def test_what_was_claimed_and_never_begun_is_given_up_too(org: Org, site: Site) -> None:
    hanging = make_vendor(org, pages={site.write("terms", "We keep it."): "terms"})
    site.web.script = lambda handler: time.sleep(2)
    one = workers.Workers(1)
    runs = [make_run(hanging), make_run(make_vendor(org))]
    for run in runs:
        one.submit(run.pk)
    one.stop(0.2)
    assert set(Run.objects.values_list("status", flat=True)) == {"failed"}


def test_a_snooze_ends_by_itself_within_five_seconds(org: Org, scheduler: Any) -> None:
    report = make_report(org, state=State.SNOOZED, snoozed_until=timezone.now() + timedelta(seconds=1))
    scheduler().start()
    wait_until(lambda: ChangeReport.objects.get().state == State.NEW, within=6, what="it is new again")
    assert events(org, "change.stateChanged") == [
        ("change.stateChanged", {"changeReportId": report.pk, "state": "new", "by": "usr_system"})
    ]


def test_a_waker_ends_snoozes_where_nobody_schedules(org: Org) -> None:
    make_report(org, state=State.SNOOZED, snoozed_until=timezone.now())
    waker = Waker()
    waker.start()
    try:
        wait_until(lambda: ChangeReport.objects.get().state == State.NEW, within=6, what="it is new again")
    finally:
        waker.stop()


def test_what_dead_processes_left_behind_is_taken_care_of(org: Org, site: Site, scheduler: Any) -> None:
    stale = make_run(make_vendor(org), started_at=timezone.now() - timedelta(minutes=11))
    Action.objects.create(
        org=org,
        report=make_report(org),
        kind="jira",
        target=site.url("hook"),
        created_at=timezone.now() - timedelta(minutes=5),
    )
    scheduler().start()
    wait_until(lambda: Action.objects.get().status == "delivered", within=10, what="the action is delivered")
    wait_until(lambda: Run.objects.get(pk=stale.pk).status == "failed", within=10, what="the run is failed")


def test_a_turn_that_fails_does_not_end_the_scheduler(
    org: Org, site: Site, scheduler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = scheduling.claim_due, []

    def flaky(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("once")
        return real(*args, **kwargs)

    monkeypatch.setattr(scheduling, "claim_due", flaky)
    vendor = make_vendor(org, pages={site.write("terms", "We keep it."): "terms"})
    scheduler().start()
    wait_until(lambda: completed(vendor) == 1, within=10, what="a run in spite of it")


def test_a_run_that_ended_cannot_be_given_up(org: Org) -> None:
    done = make_run(make_vendor(org), status="completed")
    assert not records.abandon(done.pk, reason="late")
    assert Run.objects.get().status == "completed"


@pytest.mark.parametrize("seconds", ["0", "-1", "abc", "nan", "inf", ""])
def test_a_cadence_that_is_none_is_bad_input(seconds: str) -> None:
    done = servers.manage("scheduler", "--cadence", seconds, database_url="sqlite:////nonexistent/x.sqlite3")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.servers
@pytest.mark.parametrize(
    ("args", "code"), [(["--org", "nowhere"], 1), (["--frequency", "5"], 2), (["--once", "extra"], 2)]
)
def test_what_cannot_be_done_is_one_line(args: list[str], code: int) -> None:
    done = servers.manage("scheduler", *args, database_url=servers.fresh_database())
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)


@pytest.mark.servers
def test_a_database_that_was_not_migrated_is_one_line(tmp_path: Path) -> None:
    done = servers.manage("scheduler", "--once", database_url=f"sqlite:///{tmp_path}/empty.sqlite3")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


def seeded(database_url: str, site: Site) -> Path:
    """A database with one due vendor, whose page is on the site."""
    done = servers.manage("token", "acme", "ann", "--create", database_url=database_url)
    assert done.returncode == 0
    path = Path(database_url.removeprefix("sqlite:///"))
    with sqlite3.connect(path) as rows:
        (org,) = rows.execute("SELECT id FROM workspaces_org").fetchone()
        now = timezone.now().isoformat(sep=" ")[:26]
        rows.execute(
            "INSERT INTO monitoring_vendor (id, org_id, name, homepage_url, tier, is_watched, next_run_at, created_at)"
            " VALUES ('vnd_a', ?, 'A', 'https://a.example', 'standard', 1, ?, ?)",
            (org, now, now),
        )
        rows.execute(
            "INSERT INTO monitoring_vendorpage (vendor_id, url, kind, etag, last_modified)"
            " VALUES ('vnd_a', ?, 'terms', '', '')",
            (site.write("terms", "We keep it."),),
        )
    return path


def runs_in(path: Path) -> list[str]:
    with sqlite3.connect(path) as rows:
        return [status for (status,) in rows.execute("SELECT status FROM monitoring_run")]


@pytest.mark.servers
def test_the_command_runs_once_and_ends(site: Site) -> None:
    url = servers.fresh_database()
    path = seeded(url, site)
    env = {"REDLINE_FETCH_HOSTS": site.web.address}
    done = servers.manage("scheduler", "--once", "--org", "acme", database_url=url, env=env)
    assert (done.returncode, done.stdout) == (0, "1 due, 0 failed\n")
    assert runs_in(path) == ["completed"]
    again = servers.manage("scheduler", "--once", database_url=url, env=env)
    assert (again.returncode, again.stdout) == (0, "nothing is due\n")


@pytest.mark.servers
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_ends_cleanly_before_a_hanging_fetch_does(site: Site, number: Any) -> None:
    url = servers.fresh_database()
    path = seeded(url, site)
    site.web.script = lambda handler: time.sleep(8)
    running = servers.command("scheduler", database_url=url, env={"REDLINE_FETCH_HOSTS": site.web.address})
    wait_until(lambda: bool(site.web.asked), within=20, what="the page is being fetched")
    begun = time.monotonic()
    running.signal(number)
    assert running.process.wait(10) == 0
    assert time.monotonic() - begun < 6
    assert runs_in(path) == ["failed"]
    assert "Traceback" not in running.log()
    running.terminate()


@pytest.mark.servers
def test_progress_is_shown_on_a_terminal_and_not_in_a_pipe(site: Site) -> None:
    url = servers.fresh_database()
    seeded(url, site)
    env = {"DATABASE_URL": url, "REDLINE_FETCH_HOSTS": site.web.address, "TERM": "xterm"}
    ours, theirs = pty.openpty()
    shown = subprocess.Popen([PYTHON, "manage.py", "scheduler"], cwd=ROOT, env=for_child(env), stdout=theirs)
    told = b""
    while b"vendors watched" not in told:
        told += os.read(ours, 4096)
    shown.terminate()
    assert shown.wait(10) == 0
    piped = servers.command("scheduler", database_url=url)
    wait_until(lambda: "completed" in runs_in(Path(url.removeprefix("sqlite:///"))), within=20, what="a run")
    piped.terminate()
    assert "watched" not in piped.log()
