from __future__ import annotations

import json
from typing import Any

import pytest
from django.core import serializers
from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat

from redline.monitoring.models import Action, ChangeReport, Entitlement, RunStage
from streaming import capture
from streaming.core.errors import WrongDatabase
from tests.processes import wait_until
from tests.streaming.sync.conftest import House
from tests.streaming.sync.sample import entries, new_org, types
from tests.streaming.sync.shelf.events import ItemMade
from tests.streaming.sync.together import Thread

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def report(house: House) -> ChangeReport:
    return ChangeReport.objects.create(org=house.org, vendor=house.vendor, severity="P1", headline="h")


@pytest.fixture
def action(report: ChangeReport) -> Action:
    return Action.objects.create(org=report.org, report=report, kind="email")


def told(org: str, type_: str, key: str = "status") -> list[Any]:
    return [json.loads(entry.data).get(key) for entry in entries(org) if entry.type == type_]


def labels(org: str, of: str) -> list[str]:
    return [json.loads(entry.data)["label"] for entry in entries(org) if entry.type == f"test.item.{of}"]


def test_a_rule_for_new_rows_is_silent_about_old_ones(report: ChangeReport) -> None:
    report.headline = "other"
    report.save()
    assert types(report.org_id) == ["change.detected"]


def test_a_rule_on_change_tells_a_new_row_and_each_change_and_nothing_else(action: Action) -> None:
    action.save()
    action.target = "somebody"
    action.save()
    action.status = "delivered"
    action.save()
    action.save()
    assert told(action.org_id, "action.delivered") == ["queued", "delivered"]


def test_a_stale_instance_is_compared_with_the_row_and_not_with_its_memory(action: Action) -> None:
    stale = Action.objects.get(pk=action.pk)
    action.status = "delivered"
    action.save()
    stale.status = "delivered"
    stale.save()
    assert told(action.org_id, "action.delivered") == ["queued", "delivered"]
    stale.status = "queued"
    stale.save()
    action.save()
    assert told(action.org_id, "action.delivered") == ["queued", "delivered", "queued", "delivered"]


@pytest.mark.postgres  # SQLite lets one writer in at a time
def test_two_writers_of_the_same_change_tell_it_once(action: Action) -> None:
    """The second reads what it compares with under the row's lock, so after the first has committed."""
    stale = Action.objects.get(pk=action.pk)
    stale.status = "delivered"
    with transaction.atomic():
        action.status = "delivered"
        action.save()
        second = Thread(stale.save)
        wait_until(somebody_waits_for_a_lock, within=10, what="the second writer waits for the first")
    second.end()
    assert told(action.org_id, "action.delivered") == ["queued", "delivered"]


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_a_row_that_is_saved_under_a_given_key_is_new(report: ChangeReport) -> None:
    Action(id="act_given", org=report.org, report=report, kind="email").save()
    assert told(report.org_id, "action.delivered") == ["queued"]


def test_update_fields_tells_what_was_written_and_not_what_was_only_set(action: Action) -> None:
    action.status = "delivered"
    action.target = "somebody"
    action.save(update_fields=["target"])
    assert told(action.org_id, "action.delivered") == ["queued"]
    action.kind = "slack"
    action.save(update_fields=["status"])
    assert told(action.org_id, "action.delivered") == ["queued", "delivered"]
    assert told(action.org_id, "action.delivered", "kind") == ["email", "email"], "the kind was never written"


def test_saving_no_fields_tells_nothing(action: Action) -> None:
    action.status = "delivered"
    action.save(update_fields=[])
    assert told(action.org_id, "action.delivered") == ["queued"]


def test_a_deferred_field_is_read_for_the_event(action: Action) -> None:
    part = Action.objects.only("status").get(pk=action.pk)
    part.status = "failed"
    part.save()
    assert told(action.org_id, "action.delivered") == ["queued", "failed"]
    assert told(action.org_id, "action.delivered", "kind") == ["email", "email"]


def test_an_expression_is_told_as_what_the_database_made_of_it(action: Action) -> None:
    action.status = Concat(Value("fail"), Value("ed"))  # type: ignore[assignment]
    action.external_id = "x"
    action.save()
    assert told(action.org_id, "action.delivered") == ["queued", "failed"]


def test_an_expression_that_changes_nothing_tells_nothing(action: Action) -> None:
    action.attempts = F("attempts") + 1  # type: ignore[assignment]
    action.save()
    assert told(action.org_id, "action.delivered") == ["queued"]


def test_text_that_the_database_reads_as_the_same_value_is_no_change(house: House) -> None:
    row = Entitlement.objects.create(org=house.org, compliance_pack=True)
    row.compliance_pack = "True"  # type: ignore[assignment]
    row.save()
    assert types(house.org.pk) == ["org.entitlements.changed"]


def test_a_raw_row_tells_nothing_and_a_log_line_says_so(
    report: ChangeReport, action: Action, caplog: pytest.LogCaptureFixture
) -> None:
    before = types(report.org_id)
    text = serializers.serialize("json", [report, action]).replace("queued", "delivered")
    for loaded in serializers.deserialize("json", text):
        with transaction.atomic():
            loaded.save()
    assert Action.objects.get().status == "delivered"
    assert types(report.org_id) == before
    assert caplog.text.count("was loaded raw and announces nothing") == 2


def test_an_event_names_its_row_unless_the_rule_says_otherwise(action: Action) -> None:
    assert [entry.resource for entry in entries(action.org_id)] == [action.report_id, action.pk]


def test_a_row_without_an_org_of_its_own_is_told_to_the_one_that_it_belongs_to(house: House) -> None:
    run = house.vendor.runs.create(org=house.org)
    RunStage.objects.create(run=run, stage="fetch")
    assert types(house.org.pk) == ["scheduler.tick", "run.stage"]


def test_a_model_without_rules_tells_nothing(house: House) -> None:
    house.vendor.save()
    assert types(house.org.pk) == []


def test_a_row_of_another_database_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongDatabase), transaction.atomic():
        capture.created(Entitlement, [Entitlement(org=house.org)], using="archive")


def test_each_kind_of_rule_hears_what_it_asked_for(shelf: Any) -> None:
    org = new_org()
    item = shelf.Item.objects.create(org_id=org, label="a")
    assert types(org) == ["test.item.saved", "test.item.made", "test.item.renamed"]
    item.turn = 1
    item.save()
    assert types(org)[3:] == ["test.item.saved", "test.item.changed"]
    item.label = "b"
    item.save()
    assert types(org)[5:] == ["test.item.saved", "test.item.changed", "test.item.renamed"]
    item.delete()
    assert types(org)[8:] == ["test.item.gone"]
    assert labels(org, "gone") == ["b"]


def test_a_rule_may_have_nothing_to_tell(shelf: Any) -> None:
    org = new_org()
    shelf.Item.objects.create(org_id=org, label="secret")
    assert types(org) == ["test.item.saved", "test.item.made"]


@pytest.fixture
def relatives(shelf: Any) -> list[Any]:
    return [shelf.Item, shelf.Book, shelf.Leaflet]


def test_children_and_proxies_are_told_by_their_parents_rules_once(relatives: list[Any]) -> None:
    for model in relatives:
        org = new_org()
        row = model.objects.create(org_id=org, label="a")
        assert types(org) == ["test.item.saved", "test.item.made", "test.item.renamed"], model
        row.label = "b"
        row.save()
        assert labels(org, "renamed") == ["a", "b"], model


def test_deleting_a_child_or_proxy_is_told_once(relatives: list[Any]) -> None:
    for model in relatives:
        org = new_org()
        model.objects.create(org_id=org, label="a").delete()
        assert labels(org, "gone") == ["a"], model


def test_deleting_a_childs_parent_is_told_once(shelf: Any) -> None:
    org = new_org()
    book = shelf.Book.objects.create(org_id=org, label="a")
    shelf.Item.objects.get(pk=book.pk).delete()
    assert labels(org, "gone") == ["a"]
    assert not shelf.Book.objects.exists()


def test_a_rule_for_a_proxy_hears_its_concrete_models_rows(shelf: Any) -> None:
    def noted(item: Any) -> ItemMade:
        return ItemMade(label=f"noted {item.label}")

    shelf.stream.on_save(shelf.Leaflet, created=True)(noted)
    org = new_org()
    shelf.Item.objects.create(org_id=org, label="a")
    assert labels(org, "made") == ["a", "noted a"]


def test_deleting_a_query_set_is_told_row_by_row(shelf: Any) -> None:
    org = new_org()
    for n in range(3):
        shelf.Item.objects.create(org_id=org, label=str(n))
    shelf.Item.objects.filter(org_id=org).exclude(label="1").delete()
    assert sorted(labels(org, "gone")) == ["0", "2"]


def test_a_rolled_back_delete_is_not_told(shelf: Any) -> None:
    org = new_org()
    shelf.Item.objects.create(org_id=org, label="a")
    with transaction.atomic():
        shelf.Item.objects.all().delete()
        transaction.set_rollback(True)
    assert labels(org, "gone") == []
    assert shelf.Item.objects.count() == 1
