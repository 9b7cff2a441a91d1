from __future__ import annotations

import inspect

import pytest

from streaming.core import errors
from streaming.core.errors import (
    CloseReason,
    ConfigurationError,
    EmitError,
    NotInTransaction,
    Refused,
    SilentWrite,
    StreamingError,
    UnknownEvent,
    WrongDatabase,
)

SENTENCES = [NotInTransaction, UnknownEvent, WrongDatabase, EmitError, SilentWrite, ConfigurationError, StreamingError]


def test_every_error_of_the_module_is_a_streaming_error() -> None:
    found = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, Exception)]
    assert len(found) == 8
    assert all(issubclass(one, StreamingError) for one in found)


def test_what_cannot_be_emitted_is_one_family() -> None:
    assert {one for one in SENTENCES if issubclass(one, EmitError)} == {
        EmitError,
        NotInTransaction,
        UnknownEvent,
        WrongDatabase,
    }


@pytest.mark.parametrize("kind", SENTENCES)
def test_an_error_without_a_message_says_its_own_sentence(kind: type[StreamingError]) -> None:
    sentence = str(kind())
    assert sentence == (kind.__doc__ or "").strip()
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_a_better_sentence_replaces_the_class_own() -> None:
    assert str(SilentWrite("update() sends no signal.")) == "update() sends no signal."


def test_an_error_without_any_sentence_is_still_an_error() -> None:
    class Nameless(StreamingError):
        pass

    Nameless.__doc__ = None
    assert str(Nameless()) == ""


def test_a_refusal_carries_what_the_envelope_needs_and_shares_nothing() -> None:
    headers = {"Retry-After": "3"}
    refusal = Refused(503, "stream-unavailable", "Later.", headers=headers, details={"a": 1}, temporary=True)
    headers["Retry-After"] = "9"
    assert (refusal.status, refusal.code, refusal.message, str(refusal)) == (
        503,
        "stream-unavailable",
        "Later.",
        "Later.",
    )
    assert refusal.headers == {"Retry-After": "3"}
    assert refusal.details == {"a": 1}
    assert refusal.temporary


def test_a_refusal_is_final_unless_it_says_otherwise() -> None:
    refusal = Refused(403, "forbidden", "No.")
    assert (refusal.headers, refusal.details, refusal.temporary) == ({}, {}, False)


def test_the_close_reasons_are_the_closed_set_of_the_contract() -> None:
    assert {str(reason) for reason in CloseReason} == set(
        "shutdown rotated slow auth_expired auth_revoked superseded disabled unavailable error".split()
    )


def test_a_client_stays_away_only_where_it_would_be_sent_away_again() -> None:
    final = {reason for reason in CloseReason if not reason.reconnect}
    assert final == {CloseReason.AUTH_REVOKED, CloseReason.SUPERSEDED, CloseReason.DISABLED}
