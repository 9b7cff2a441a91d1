from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core import wire
from streaming.core.errors import ConfigurationError

NO_ORGS = ["", "a" * 41, "a b", "a\n", "a.b", "ä", "１", "a/b", "a\0", None, 5]
NO_TYPES = ["", "1a", ".a", "a" * 61, "a b", "a\n", "a\r", "é", "a\0", "a/b", None, 5]


@pytest.mark.parametrize("org", ["a", "A-b_9", "_public", "a" * 40])
def test_an_orgs_group_is_built_from_its_key_alone(org: str) -> None:
    assert wire.group_name(org) == f"stream.{org}"
    assert len(wire.group_name(org)) <= 47


@pytest.mark.parametrize("org", NO_ORGS)
def test_what_channels_would_let_through_is_no_org(org: object) -> None:
    assert not wire.is_org(org)
    with pytest.raises(ConfigurationError, match="1 to 40"):
        wire.group_name(org)  # type: ignore[arg-type]


@given(st.text(max_size=50))
def test_an_org_is_ascii_that_a_group_name_may_hold(text: str) -> None:
    allowed = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
    assert wire.is_org(text) is (0 < len(text) <= 40 and set(text) <= allowed)


@pytest.mark.parametrize("type_", ["a", "change.stateChanged", "a:b_c-9", "a" * 60])
def test_an_event_type_is_a_word_that_a_field_may_hold(type_: str) -> None:
    assert wire.is_event_type(type_)


@pytest.mark.parametrize("type_", NO_TYPES)
def test_what_a_field_may_not_hold_is_no_event_type(type_: object) -> None:
    assert not wire.is_event_type(type_)


@given(st.dictionaries(st.text(), st.integers(-(2**53), 2**53) | st.text() | st.none() | st.booleans()))
def test_canonical_json_is_one_line_in_the_order_given(value: dict[str, object]) -> None:
    encoded = wire.canonical(value)
    assert b"\n" not in encoded
    assert b"\r" not in encoded
    assert list(json.loads(encoded).items()) == list(value.items())


def test_a_thin_event_says_what_it_stands_for() -> None:
    assert json.loads(wire.thin(type="t", resource="r", size=70_000)) == {
        "oversize": True,
        "bytes": 70_000,
        "type": "t",
        "resource": "r",
    }
