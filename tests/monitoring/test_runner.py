from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.db import DatabaseError, connections, transaction

from redline.monitoring import claims, publishing, records, runner
from redline.monitoring.models import (
    ChangeReport,
    PageVersion,
    Policy,
    Run,
    RunStage,
    Stage,
    Vendor,
    VendorPage,
)
from redline.workspaces.models import Org
from tests.monitoring.world import Site, events, last_event, make_vendor

STAGES = ["fetch", "diff", "reason", "classify", "route", "publish"]
RETENTION = "We retain your personal data for ninety days."
SHORTER = "We retain your personal data for thirty days."


@pytest.fixture
def vendor(org: Org, site: Site) -> Vendor:
    return make_vendor(org, pages={site.write("terms", RETENTION, "You may cancel at any time."): "privacy"})


def run(vendor: Vendor) -> Run:
    return runner.run_vendor(claims.claim_now(vendor), pause=lambda _: None)


def stages(run: Run) -> list[tuple[str, str]]:
    return list(run.stages.order_by("pk").values_list("stage", "status"))


def test_the_first_run_keeps_the_pages_and_announces_six_stages(vendor: Vendor) -> None:
    before = last_event()
    done = run(vendor)
    assert done.status == "completed"
    assert done.finished_at is not None
    assert stages(done) == [
        *(("fetch", "completed"), ("diff", "completed")),
        *((name, "skipped") for name in ["reason", "classify", "route", "publish"]),
    ]
    version = PageVersion.objects.get()
    assert [text for _, text in version.blocks] == ["Notice", RETENTION, "You may cancel at any time."]
    page = vendor.pages.get()
    assert page.etag
    assert page.fetched_at == version.fetched_at
    said = events(vendor.org, after=before)
    assert said[0][0] == "scheduler.tick"
    assert [(data["stage"], data["status"]) for kind, data in said[1:] if kind == "run.stage"] == [
        *(("fetch", "started"), ("fetch", "completed"), ("diff", "started"), ("diff", "completed")),
        *((name, "skipped") for name in ["reason", "classify", "route", "publish"]),
    ]
    for _, data in said[1:]:
        keys = {"runId", "vendorId", "stage", "status"}
        assert set(data) == (keys | {"durationMs"} if data["status"] == "completed" else keys)
        assert (data["runId"], data["vendorId"]) == (done.pk, vendor.pk)


def test_changed_words_become_a_report_with_changes_citations_and_a_recommendation(vendor: Vendor, site: Site) -> None:
    run(vendor)
    site.write("terms", SHORTER, "You may cancel at any time.")
    before = last_event()
    done = run(vendor)
    assert stages(done) == [(name, "completed") for name in STAGES]
    report = ChangeReport.objects.get()
    assert (report.run_id, report.vendor_id, report.org_id) == (done.pk, vendor.pk, vendor.org_id)
    assert report.severity == "P2"  # material, and no policy says otherwise
    assert report.why
    assert report.recommendation
    change = report.changes.get()
    assert (change.category, change.materiality) == ("data", "material")
    assert (change.before, change.after) == (RETENTION, SHORTER)
    assert "".join(text for op, text in change.ops if op != "delete") == SHORTER
    (citation,) = change.citations
    assert set(citation) == {"quote", "section", "url", "fetchedAt"}
    assert (citation["quote"], citation["url"]) == (SHORTER, site.url("terms"))
    detected = [data for kind, data in events(vendor.org, after=before) if kind == "change.detected"]
    assert detected == [
        {"changeReportId": report.pk, "vendorId": vendor.pk, "severity": "P2", "headline": report.headline}
    ]


def test_the_events_of_a_run_come_in_the_order_in_which_it_happened(vendor: Vendor, site: Site) -> None:
    route = {"kind": "jira", "target": site.url("hook")}
    Policy.objects.create(org=vendor.org, name="Data", severity="P1", routes=[route], recommendation="Call them.")
    run(vendor)
    site.write("terms", SHORTER, "You may cancel at any time.")
    before = last_event()
    run(vendor)
    told = [(kind, data.get("stage"), data.get("status")) for kind, data in events(vendor.org, after=before)]
    assert told == [
        ("scheduler.tick", None, None),
        *(("run.stage", name, status) for name in STAGES[:5] for status in ("started", "completed")),
        ("run.stage", "publish", "started"),
        ("change.detected", None, None),
        ("action.delivered", None, "queued"),
        ("run.stage", "publish", "completed"),
        ("action.delivered", None, "delivered"),
    ]
    report = ChangeReport.objects.get()
    assert (report.severity, report.recommendation) == ("P1", "Call them.")
    assert "Data" in report.why
    assert site.posted[0]["severity"] == "P1"


def test_an_inactive_policy_and_one_of_another_org_decide_nothing(vendor: Vendor, site: Site) -> None:
    Policy.objects.create(org=vendor.org, name="Off", severity="P1", is_active=False)
    Policy.objects.create(org=Org.objects.create(slug="elsewhere"), name="Theirs", severity="P1")
    run(vendor)
    site.write("terms", SHORTER)
    run(vendor)
    assert ChangeReport.objects.get().severity == "P2"


@pytest.mark.any_database
def test_no_connection_to_the_database_is_held_while_a_page_is_fetched(vendor: Vendor, site: Site) -> None:
    run(vendor)
    held = []
    serve = site.web.script

    def look(handler: BaseHTTPRequestHandler) -> None:
        held.append(mine.connection is not None)
        serve(handler)

    site.web.script = look
    mine = connections["default"]  # this thread's, which runs the vendor; the server's thread looks on
    assert run(vendor).status == "completed"
    assert held == [False]


def test_a_page_that_has_not_changed_costs_a_304_and_changes_nothing(vendor: Vendor, site: Site) -> None:
    run(vendor)
    page = vendor.pages.get()
    done = run(vendor)
    assert site.not_modified == 1
    assert stages(done)[-1] == ("publish", "skipped")
    assert PageVersion.objects.count() == 1
    again = vendor.pages.get()
    assert again.etag == page.etag
    assert again.fetched_at > page.fetched_at


def test_spacing_markup_and_link_targets_alone_are_no_change(vendor: Vendor, site: Site) -> None:
    run(vendor)
    site.pages["terms"] = (
        "<html><body><main><h1>Notice</h1>\n\n<p>We  retain your <b>personal data</b> for\nninety days.</p>"
        '<p>You may <a href="/elsewhere">cancel</a> at any time.</p></main></body></html>'
    )
    done = run(vendor)
    assert stages(done)[-1] == ("publish", "skipped")
    assert not ChangeReport.objects.exists()
    assert PageVersion.objects.count() == 1


def test_a_change_is_told_once(vendor: Vendor, site: Site) -> None:
    run(vendor)
    site.write("terms", SHORTER)
    run(vendor)
    run(vendor)
    assert ChangeReport.objects.count() == 1


@pytest.mark.parametrize("status", [404, 403, 500, 503])
def test_a_page_that_cannot_be_fetched_fails_the_run_with_its_reason(vendor: Vendor, site: Site, status: int) -> None:
    site.status["terms"] = status
    before = last_event()
    done = run(vendor)
    assert done.status == "failed"
    assert stages(done) == [("fetch", "failed")]
    assert str(status) in done.stages.get().reason
    assert site.url("terms") in done.stages.get().reason
    last = events(vendor.org, after=before)[-1]
    assert (last[0], last[1]["stage"], last[1]["status"]) == ("run.stage", "fetch", "failed")
    assert not PageVersion.objects.exists()


def test_a_page_without_text_fails_instead_of_reading_as_everything_removed(vendor: Vendor, site: Site) -> None:
    run(vendor)
    site.pages["terms"] = "<html><body><div id=app></div><script>draw()</script></body></html>"
    done = run(vendor)
    assert stages(done) == [("fetch", "failed")]
    assert not ChangeReport.objects.exists()


def test_a_private_address_that_was_not_allowed_is_not_fetched(vendor: Vendor, site: Site, settings: Any) -> None:
    settings.REDLINE_FETCH_HOSTS = []
    done = run(vendor)
    assert "is not public" in done.stages.get().reason
    assert site.web.asked == []
    settings.REDLINE_ALLOW_PRIVATE_FETCH = True
    assert run(vendor).status == "completed"


def test_one_page_that_fails_loses_nothing_of_the_others(vendor: Vendor, site: Site) -> None:
    VendorPage.objects.create(vendor=vendor, url=site.write("sla", "We answer within one hour."), kind="sla")
    run(vendor)
    site.write("terms", SHORTER, "You may cancel at any time.")
    site.status["sla"] = 503
    assert run(vendor).status == "failed"
    assert not ChangeReport.objects.exists()
    del site.status["sla"]
    assert run(vendor).status == "completed"
    assert ChangeReport.objects.get().changes.get().after == SHORTER


def test_changes_on_two_pages_are_one_report(vendor: Vendor, site: Site) -> None:
    VendorPage.objects.create(vendor=vendor, url=site.write("sla", "We answer within one hour."), kind="sla")
    run(vendor)
    site.write("terms", SHORTER, "You may cancel at any time.")
    site.write("sla", "We answer within two days.")
    run(vendor)
    found = {(change.category, change.page.kind) for change in ChangeReport.objects.get().changes.all()}
    assert found == {("data", "privacy"), ("sla", "sla")}


def test_a_crash_before_the_commit_loses_no_change(vendor: Vendor, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    run(vendor)
    etag = vendor.pages.get().etag
    site.write("terms", SHORTER)

    def crash(*_: object, **__: object) -> None:
        assert transaction.get_connection().in_atomic_block
        assert ChangeReport.objects.exists()  # written, not committed
        raise DatabaseError("the machine went away")

    with monkeypatch.context() as broken:
        broken.setattr(publishing.Change.objects, "bulk_create", crash)
        done = run(vendor)
    assert done.status == "failed"
    assert stages(done)[-1] == ("publish", "failed")
    assert not ChangeReport.objects.exists()
    assert vendor.pages.get().etag == etag
    assert PageVersion.objects.count() == 1
    run(vendor)
    assert ChangeReport.objects.get().changes.filter(after=SHORTER).exists()


def test_nothing_is_slow_inside_a_transaction(vendor: Vendor, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    run(vendor)
    site.write("terms", SHORTER)
    held: list[bool] = []

    def watched(name: str) -> None:
        real = getattr(runner, name)
        watching = lambda *a, **k: (held.append(transaction.get_connection().in_atomic_block), real(*a, **k))[1]  # noqa: E731
        monkeypatch.setattr(runner, name, watching)

    for name in ("fetch", "reason", "classify", "severity"):
        watched(name)
    run(vendor)
    assert held == [False] * 4


@pytest.mark.parametrize("status", [200, 503])
def test_a_run_that_was_given_up_writes_nothing_more(vendor: Vendor, site: Site, status: int) -> None:
    claimed = claims.claim_now(vendor)
    site.status["terms"] = status

    def give_up(handler: Any) -> None:
        records.abandon(claimed.pk, reason="The scheduler was stopped.")
        site._answer(handler)

    site.web.script = give_up
    runner.run_vendor(claimed)
    assert stages(Run.objects.get()) == [("fetch", "failed")]
    assert RunStage.objects.get().reason == "The scheduler was stopped."
    assert Run.objects.get().status == "failed"
    assert not PageVersion.objects.exists()


def test_a_vendor_that_is_deleted_meanwhile_ends_its_run_quietly(vendor: Vendor, site: Site) -> None:
    claimed = claims.claim_now(vendor)

    def vanish(handler: Any) -> None:
        Vendor.objects.get().delete()
        site._answer(handler)

    site.web.script = vanish
    runner.run_vendor(claimed)
    assert not RunStage.objects.exists()


def test_a_page_that_is_removed_meanwhile_is_left_alone(
    vendor: Vendor, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(vendor)
    site.write("terms", SHORTER)
    real = runner.severity

    def remove(*args: Any) -> Any:
        VendorPage.objects.all().delete()
        return real(*args)

    monkeypatch.setattr(runner, "severity", remove)
    assert run(vendor).status == "completed"
    assert ChangeReport.objects.get().changes.first().page is None
    assert not PageVersion.objects.exists()


def test_a_bug_in_a_stage_fails_the_run_without_its_details(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(runner, "_difference", broken)
    done = run(vendor)
    assert stages(done) == [("fetch", "completed"), ("diff", "failed")]
    assert done.stages.last().reason == "Internal error: RuntimeError."


def test_a_vendor_without_pages_runs_and_finds_nothing(org: Org) -> None:
    done = run(make_vendor(org))
    assert stages(done)[-1] == ("publish", "skipped")


def test_a_headline_that_is_too_long_is_cut_at_a_word(vendor: Vendor, site: Site) -> None:
    assert publishing.shortened("word " * 60, 200) == ("word " * 39).strip() + " …"
    assert len(publishing.shortened("x" * 400, 200)) <= 200
    assert publishing.shortened("short", 200) == "short"


def test_a_first_version_is_fetched_whole_even_if_validators_are_known(vendor: Vendor, site: Site) -> None:
    run(vendor)
    PageVersion.objects.all().delete()
    run(vendor)
    assert site.not_modified == 0
    assert PageVersion.objects.count() == 1


def test_the_stages_are_the_contracts() -> None:
    assert list(Stage.values) == STAGES
