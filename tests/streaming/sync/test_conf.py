from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django.fixtures import Settings as Configured

from streaming import conf
from streaming.conf import Settings


def given(settings: Configured, **values: Any) -> None:
    settings.STREAMING = values


def test_what_is_not_set_has_its_default(settings: Configured) -> None:
    given(settings)
    assert [getattr(conf.streaming, field.name) for field in fields(Settings)] == [
        field.default for field in fields(Settings)
    ]


def test_a_project_without_the_setting_gets_the_defaults(settings: Configured) -> None:
    del settings.STREAMING
    assert conf.streaming.RING_ENTRIES == 1_000


def test_what_is_set_is_read_at_once(settings: Configured) -> None:
    given(settings, RING_ENTRIES=7)
    assert conf.streaming.RING_ENTRIES == 7
    given(settings, RING_ENTRIES=8)
    assert conf.streaming.RING_ENTRIES == 8


def test_a_change_of_another_setting_is_none_of_ours(settings: Configured) -> None:
    given(settings, RING_ENTRIES=7)
    settings.LANGUAGE_CODE = "de"
    assert conf.streaming.RING_ENTRIES == 7


def test_a_whole_number_of_seconds_and_a_list_are_taken_for_what_they_mean(settings: Configured) -> None:
    given(settings, SWEEP_EVERY=2, TRUSTED_PROXIES=["10.0.0.1"])
    assert (conf.streaming.SWEEP_EVERY, conf.streaming.TRUSTED_PROXIES) == (2.0, ("10.0.0.1",))
    assert type(conf.streaming.SWEEP_EVERY) is float


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"RING_ENTRYS": 1}, "STREAMING has no setting 'RING_ENTRYS'."),
        ({"RING_ENTRIES": "5"}, "STREAMING['RING_ENTRIES'] must be int, not '5'."),
        ({"RING_ENTRIES": True}, "STREAMING['RING_ENTRIES'] must be int, not True."),
        ({"RING_ENTRIES": 5.0}, "STREAMING['RING_ENTRIES'] must be int, not 5.0."),
        ({"SIMPLE_MODE": 1}, "STREAMING['SIMPLE_MODE'] must be bool, not 1."),
        ({"SWEEP_EVERY": None}, "STREAMING['SWEEP_EVERY'] must be float, not None."),
        ({"SWEEP_EVERY": True}, "STREAMING['SWEEP_EVERY'] must be float, not True."),
        ({"TRUSTED_PROXIES": "10.0.0.1"}, "STREAMING['TRUSTED_PROXIES'] must be tuple, not '10.0.0.1'."),
        ({"RING_ENTRIES": -1}, "STREAMING['RING_ENTRIES'] must not be negative, and is -1."),
        ({"SWEEP_EVERY": -0.5}, "STREAMING['SWEEP_EVERY'] must not be negative, and is -0.5."),
    ],
)
def test_a_setting_that_cannot_work_is_one_line_that_names_it(
    settings: Configured, values: dict[str, Any], sentence: str
) -> None:
    given(settings, **values)
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.streaming.RING_ENTRIES  # noqa: B018 - reading is the act
    assert str(caught.value) == sentence


def test_what_was_never_a_setting_is_no_attribute(settings: Configured) -> None:
    with pytest.raises(AttributeError):
        conf.streaming.NOTHING  # type: ignore[attr-defined] # noqa: B018 - reading is the act


def test_the_projects_own_settings_are_sound() -> None:
    assert conf.streaming.ACCESS == "redline.access.Access"
