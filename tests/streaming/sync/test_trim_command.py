from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from streaming.models import LogEntry
from streaming.outbox import emit
from tests.streaming.sync.conftest import House
from tests.streaming.sync.sample import commit, detected, new_org

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def trim(*args: str) -> str:
    out = io.StringIO()
    call_command("trim", *args, stdout=out)
    return out.getvalue()


def aged(org: str, days: list[int]) -> None:
    for age in days:
        with transaction.atomic():
            emit(detected(age), org=org, emitted_at=timezone.now() - timedelta(days=age))


def test_every_org_is_trimmed_by_the_settings(house: House, settings: Settings) -> None:
    settings.STREAMING = {**settings.STREAMING, "STREAM_RETENTION_DAYS": 7.0, "RETENTION_ENTRIES": 2}
    other = new_org()
    aged(house.org.pk, [9, 9, 9, 1])
    aged(other, [9, 9, 9])
    assert trim() == "3 entries deleted in 2 orgs.\n"
    assert LogEntry.objects.count() == 4


def test_one_org_may_be_named_with_limits_of_its_own(house: House) -> None:
    other = new_org()
    for org in (house.org.pk, other):
        aged(org, [9, 3, 1])
    assert trim(house.org.slug, "--days", "2", "--keep", "1") == "2 entries deleted in 1 orgs.\n"
    assert LogEntry.objects.filter(org=other).count() == 3


@pytest.mark.parametrize("args", [["--days", "-1"], ["--days", "nan"], ["--days", "inf"], ["--keep", "0"], ["nobody"]])
def test_bad_input_deletes_nothing(house: House, args: list[str]) -> None:
    commit(house.org.pk, range(3))
    with pytest.raises(CommandError):
        trim("--days", "0", "--keep", "1", *args)
    assert LogEntry.objects.count() == 3
