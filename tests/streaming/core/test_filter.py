from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from streaming.core.filter import Filter, Scope
from streaming.core.rights import EVERYTHING, Rights

WORDS = ["a", "b", "c"]
sets = st.frozensets(st.sampled_from(WORDS))


@dataclass(frozen=True, kw_only=True)
class Row:
    type: str = "t"
    resource: str = ""
    keys: frozenset[str] = frozenset()
    audience: frozenset[str] = frozenset()

    @property
    def data(self) -> bytes:
        raise AssertionError("a filter never looks into the payload")


@dataclass(frozen=True, kw_only=True)
class Case:
    row: Row = field(default_factory=Row)
    filter: Filter = field(default_factory=lambda: Filter(types=frozenset({"t"})))


rows = st.builds(Row, type=st.sampled_from(["t", "u"]), resource=st.sampled_from(WORDS), keys=sets, audience=sets)
filters = st.builds(
    Filter,
    types=st.frozensets(st.sampled_from(["t", "u"])),
    rights=st.builds(Rights, all=st.booleans(), keys=sets, names=sets),
    scope=st.builds(Scope, within=sets, types=st.none() | st.frozensets(st.sampled_from(["t", "u"]))),
)


def oracle(chosen: Filter, row: Row) -> bool:
    """Return what the prose says, one sentence a line."""
    if row.type not in chosen.types:
        return False
    if not chosen.rights.all:
        if row.keys and not any(key in chosen.rights.keys for key in row.keys):
            return False
        if row.audience and not any(name in chosen.rights.names for name in row.audience):
            return False
    if chosen.scope.types is not None and row.type not in chosen.scope.types:
        return False
    return all(word in row.keys or word == row.resource for word in chosen.scope.within)


@given(filters, rows)
def test_a_filter_admits_exactly_what_types_rights_and_scope_all_admit(chosen: Filter, row: Row) -> None:
    assert chosen.admits(row) is oracle(chosen, row)


def test_only_the_streams_types_pass() -> None:
    assert Filter(types=frozenset({"t"})).admits(Row())
    assert not Filter(types=frozenset({"u"})).admits(Row())


def test_rights_hide_what_is_not_the_users() -> None:
    chosen = Filter(types=frozenset({"t"}), rights=Rights(keys=frozenset({"a"})))
    assert chosen.admits(Row(keys=frozenset({"a"})))
    assert not chosen.admits(Row(keys=frozenset({"b"})))


def test_a_scope_narrows_to_entries_that_concern_all_of_it() -> None:
    chosen = Filter(types=frozenset({"t"}), scope=Scope(within=frozenset({"a", "b"})))
    assert chosen.admits(Row(resource="a", keys=frozenset({"b", "c"})))
    assert not chosen.admits(Row(resource="a"))


def test_a_scope_of_no_types_lets_nothing_through() -> None:
    assert not Filter(types=frozenset({"t"}), scope=Scope(types=frozenset())).admits(Row())


def test_two_connections_with_the_same_filter_share_one_key() -> None:
    one, other = (Filter(types=frozenset({"t", "u"}), rights=Rights(names=frozenset({"x"}))) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one != Filter(types=frozenset({"t", "u"}), rights=EVERYTHING)
