from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streaming.core.rights import EVERYTHING, Rights

sets = st.frozensets(st.sampled_from("abcd"))


@given(sets, sets)
def test_an_owner_sees_everything(keys: frozenset[str], audience: frozenset[str]) -> None:
    assert EVERYTHING.sees(keys=keys, audience=audience)


def test_what_belongs_to_everybody_is_seen_without_any_right() -> None:
    assert Rights().sees(keys=frozenset(), audience=frozenset())


def test_one_of_the_keys_is_enough_and_none_is_not() -> None:
    rights = Rights(keys=frozenset({"a", "b"}))
    assert rights.sees(keys=frozenset({"b", "z"}), audience=frozenset())
    assert not rights.sees(keys=frozenset({"z"}), audience=frozenset())


def test_an_audience_is_asked_for_besides_the_keys() -> None:
    rights = Rights(keys=frozenset({"a"}), names=frozenset({"me"}))
    assert rights.sees(keys=frozenset({"a"}), audience=frozenset({"me", "you"}))
    assert not rights.sees(keys=frozenset({"a"}), audience=frozenset({"you"}))
    assert not rights.sees(keys=frozenset({"b"}), audience=frozenset({"me"}))


def test_a_key_is_no_name_and_a_name_is_no_key() -> None:
    assert not Rights(keys=frozenset({"me"})).sees(keys=frozenset(), audience=frozenset({"me"}))
    assert not Rights(names=frozenset({"a"})).sees(keys=frozenset({"a"}), audience=frozenset())


@given(sets, sets, sets, sets)
def test_a_further_right_never_hides_anything(
    keys: frozenset[str], names: frozenset[str], more: frozenset[str], of: frozenset[str]
) -> None:
    if Rights(keys=keys, names=names).sees(keys=of, audience=more):
        assert Rights(keys=keys | more, names=names | of).sees(keys=of, audience=more)


def test_the_same_rights_are_one_key() -> None:
    assert len({Rights(keys=frozenset("ab")), Rights(keys=frozenset("ba")), EVERYTHING, Rights(all=True)}) == 2
