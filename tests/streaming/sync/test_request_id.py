from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from django.http import HttpRequest

from streaming.request_id import request_id_of


@pytest.mark.parametrize("given", ["a", "A.b_c-9", "a" * 128])
def test_a_well_formed_id_is_the_clients_own(given: str) -> None:
    assert request_id_of(given, HttpRequest()) == given


@pytest.mark.parametrize("given", ["", "a" * 129, "a b", "a\n", "ä", "a\0", "<script>"])
def test_anything_else_is_replaced(given: str) -> None:
    made = request_id_of(given)
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert request_id_of(given) != made


def test_a_made_id_stays_with_its_request_however_it_is_wrapped() -> None:
    request = HttpRequest()
    made = request_id_of("", request)
    assert request_id_of("", request) == made
    assert request_id_of("", SimpleNamespace(_request=request)) == made
    assert request_id_of("", HttpRequest()) != made
