from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from redline.monitoring.models import Action, ChangeReport, Entitlement, Run, Vendor
from redline.workspaces.models import Org
from streaming.core.errors import SilentWrite
from streaming.models import ApiToken, Head, LogEntry, phrase, words
from tests.streaming.sync.conftest import House
from tests.streaming.sync.sample import new_org, types

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def report(house: House) -> ChangeReport:
    return ChangeReport.objects.create(org=house.org, vendor=house.vendor, severity="P1", headline="h")


def actions(report: ChangeReport, count: int, **values: Any) -> list[Action]:
    return [Action(org=report.org, report=report, kind="email", **values) for _ in range(count)]


def test_bulk_create_tells_every_row_in_order(report: ChangeReport) -> None:
    made = Action.objects.bulk_create(iter(actions(report, 5)), batch_size=2)
    told = list(LogEntry.objects.filter(type="action.delivered").order_by("sequence"))
    assert [row.resource for row in told] == [action.pk for action in made]


def test_bulk_create_tells_only_what_holds_for_new_rows(shelf: Any) -> None:
    org = new_org()
    shelf.Item.objects.bulk_create([shelf.Item(org_id=org, label="a")])
    assert types(org) == ["test.item.saved", "test.item.made", "test.item.renamed"]


def test_bulk_create_reads_a_row_that_was_made_of_an_expression(shelf: Any) -> None:
    from django.db.models import Value
    from django.db.models.functions import Upper

    org = new_org()
    shelf.Item.objects.bulk_create([shelf.Item(org_id=org, label=Upper(Value("a")))])
    assert b'"A"' in b"".join(LogEntry.objects.filter(org=org).values_list("data", flat=True)[0].encode().split(b":"))


def test_bulk_create_and_its_events_are_one_transaction(report: ChangeReport) -> None:
    before = LogEntry.objects.count()
    with pytest.raises(ValueError, match="status"):
        Action.objects.bulk_create([*actions(report, 2), *actions(report, 1, status="vanished")])
    assert Action.objects.count() == 0
    assert LogEntry.objects.count() == before


@pytest.mark.parametrize("flag", ["ignore_conflicts", "update_conflicts"])
def test_bulk_create_that_hides_which_rows_it_wrote_is_refused(report: ChangeReport, flag: str) -> None:
    with pytest.raises(SilentWrite, match="which rows it wrote"):
        Action.objects.bulk_create(actions(report, 1), **{flag: True})
    position = {"ignore_conflicts": (None, True), "update_conflicts": (None, False, True)}[flag]
    with pytest.raises(SilentWrite, match="which rows it wrote"):
        Action.objects.bulk_create(actions(report, 1), *position)
    assert Action.objects.count() == 0


def test_bulk_create_of_nothing_or_of_what_no_rule_watches_tells_nothing(report: ChangeReport) -> None:
    before = LogEntry.objects.count()
    assert Action.objects.bulk_create([]) == []
    assert LogEntry.objects.count() == before


def test_bulk_create_of_a_model_without_rules_inserts(shelf: Any) -> None:
    from streaming.core.stream import registry

    registry.rules[:] = [rule for rule in registry.rules if rule.model is not shelf.Item]
    org = new_org()
    shelf.Item.objects.bulk_create([shelf.Item(org_id=org)])
    assert shelf.Item.objects.count() == 1
    assert types(org) == []


SILENT: list[Callable[[ChangeReport], object]] = [
    lambda report: Action.objects.update(status="failed"),
    lambda report: Action.objects.filter(report=report).update(target="x"),
    lambda report: Action.objects.all()[:1].model.objects.update(status="failed"),
    lambda report: Action.objects.bulk_update([report.actions.get()], ["status"]),
    lambda report: Action._base_manager.update(status="failed"),
    lambda report: report.actions.update(status="failed"),
    lambda report: report.actions.add(*actions(report, 1)[:0], Action.objects.get()),
    lambda report: report.actions.set([Action.objects.get()], clear=False) or report.actions.add(Action.objects.get()),
    lambda report: report.vendor.runs.add(Run.objects.create(org=report.org, vendor=report.vendor)),
]


@pytest.mark.parametrize("write", SILENT)
def test_a_write_that_sends_no_signal_is_refused(report: ChangeReport, write: Callable[[ChangeReport], object]) -> None:
    Action.objects.bulk_create(actions(report, 1))
    with pytest.raises(SilentWrite, match=r"\.unstreamed\(\)\.(bulk_)?update\(…\)"):
        write(report)
    assert Action.objects.get().status == "queued"


async def test_the_async_twins_refuse_as_well() -> None:
    with pytest.raises(SilentWrite):
        await Action.objects.aupdate(status="failed")
    with pytest.raises(SilentWrite):
        await Action.objects.abulk_update([Action()], ["status"])


def test_a_silent_write_that_is_meant_is_allowed_and_tells_nothing(report: ChangeReport) -> None:
    Action.objects.unstreamed().bulk_create(actions(report, 3))
    before = types(report.org_id)
    assert Action.objects.unstreamed().update(status="failed") == 3
    assert Action.objects.unstreamed().filter(status="failed").exclude(pk="").update(target="x") == 3
    rows = list(Action.objects.all())
    for row in rows:
        row.status = "delivered"
    assert Action.objects.unstreamed().bulk_update(rows, ["status"]) == 3
    assert set(Action.objects.values_list("status", "target")) == {("delivered", "x")}
    assert types(report.org_id) == before == ["change.detected"]


def test_saying_unstreamed_once_holds_for_that_query_alone() -> None:
    rows = Action.objects.all()
    rows.unstreamed()
    with pytest.raises(SilentWrite):
        rows.update(status="failed")


def test_get_or_create_and_update_or_create_tell_what_they_write(house: House) -> None:
    org = house.org
    Entitlement.objects.get_or_create(org=org)
    Entitlement.objects.get_or_create(org=org)
    assert types(org.pk) == ["org.entitlements.changed"]
    Entitlement.objects.update_or_create(org=org, defaults={"auditor_portal": True})
    Entitlement.objects.update_or_create(org=org, defaults={"auditor_portal": True})
    assert types(org.pk) == ["org.entitlements.changed"] * 2


def test_a_related_create_tells(report: ChangeReport) -> None:
    report.actions.create(org=report.org, kind="email")
    assert types(report.org_id) == ["change.detected", "action.delivered"]


def test_a_query_set_of_unwatched_deletes_is_deleted(report: ChangeReport) -> None:
    Action.objects.bulk_create(actions(report, 3))
    assert Action.objects.all().delete()[0] == 3


def test_deleting_what_streamed_rows_hang_on_takes_them_along(report: ChangeReport) -> None:
    report.run = Run.objects.create(org=report.org, vendor=report.vendor)
    report.save()
    report.actions.create(org=report.org, kind="email")
    report.state = "acknowledged"
    report.save()
    Vendor.objects.get().delete()
    assert (ChangeReport.objects.count(), Action.objects.count(), Run.objects.count()) == (0, 0, 0)
    Org.objects.all().delete()


def test_a_key_that_nobody_announces_is_set_to_null_when_what_it_points_to_goes(report: ChangeReport) -> None:
    run = Run.objects.create(org=report.org, vendor=report.vendor)
    report.run = run
    report.save()
    before = types(report.org_id)
    run.delete()
    report.refresh_from_db()
    assert report.run is None
    assert types(report.org_id) == before


def test_a_key_that_is_announced_is_never_set_to_null_silently(shelf: Any) -> None:
    place = shelf.Shelf.objects.create()
    shelf.Item.objects.create(org_id=new_org(), place=place)
    with pytest.raises(SilentWrite):
        place.delete()
    assert shelf.Item.objects.get().place == place


def test_a_save_and_its_event_are_one_transaction(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[bool] = []
    from streaming import capture

    real = capture.emit_many
    monkeypatch.setattr(
        capture, "emit_many", lambda *a, **k: (inside.append(connection.in_atomic_block), real(*a, **k))
    )
    Entitlement.objects.create(org=house.org)
    assert inside == [True]
    assert not connection.in_atomic_block
    monkeypatch.setattr(capture, "emit_many", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Run.objects.create(org=house.org, vendor=house.vendor)
    assert Run.objects.count() == 0


def test_a_failed_save_leaves_an_outer_savepoint_usable(house: House) -> None:
    with transaction.atomic():
        with pytest.raises(ValueError, match="severity"), transaction.atomic():
            ChangeReport.objects.create(org=house.org, vendor=house.vendor, severity="P9", headline="h")
        ChangeReport.objects.create(org=house.org, vendor=house.vendor, severity="P1", headline="h")
    assert types(house.org.pk) == ["change.detected"]


def test_a_delete_and_its_event_are_one_transaction(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from streaming import capture

    item = shelf.Item.objects.create(org_id=new_org(), label="a")
    monkeypatch.setattr(capture, "emit_many", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        item.delete()
    assert shelf.Item.objects.count() == 1


def test_a_token_is_kept_as_a_hash_and_shown_once(house: House) -> None:
    row, secret = ApiToken.issue(user=house.users["member"], org=house.org.pk, label="ci")
    assert secret.startswith("rl_")
    assert len(secret) > 40
    assert row.digest == hashlib.sha256(secret.encode()).hexdigest() == ApiToken.digest_of(secret)
    stored = str(ApiToken.objects.values().get())
    assert secret not in stored
    assert secret[3:] not in stored
    assert str(row) == f"rl_{secret[3:9]}… (ci)"
    assert ApiToken.digest_of("\ud800") != ApiToken.digest_of("?")


def test_a_token_is_valid_until_it_expires_or_is_revoked() -> None:
    now = timezone.now()
    second = timedelta(seconds=1)
    assert ApiToken().is_valid(at=now)
    assert ApiToken(expires_at=now + second).is_valid(at=now)
    assert not ApiToken(expires_at=now).is_valid(at=now)
    assert not ApiToken(revoked_at=now + second).is_valid(at=now)


def test_rows_say_what_they_are() -> None:
    assert str(LogEntry(org="o", type="t")) == "o waiting t"
    assert str(LogEntry(org="o", type="t", sequence=0)) == "o 0 t"
    assert str(Head(org="o", epoch="e", sequence=3)) == "o at e.3"


def test_a_set_of_words_is_read_as_it_was_written() -> None:
    for members in (frozenset(), frozenset({"a"}), frozenset({"b", "a"})):
        assert words(phrase(members)) == members
    assert phrase(frozenset({"b", "a"})) == "a b"
