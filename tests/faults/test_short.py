"""The laboratory's short form: every fault at a small size, on real processes."""

from __future__ import annotations

import pytest

from tests.acceptance import seeds
from tests.faults.catalogue import SCENARIOS, SHORT
from tests.faults.figures import table
from tests.faults.hunt import hunted, mutants
from tests.faults.scenario import Run, judged

pytestmark = [pytest.mark.postgres, pytest.mark.servers]


@pytest.mark.parametrize("name", SHORT)
def test_nothing_is_lost_through(name: str) -> None:
    verdict = judged(SCENARIOS[name], Run(name=name, seed=seeds.draw(name)))
    assert verdict.good, f"\n{table([verdict])}"


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(mutants()))
def test_the_laboratory_catches(name: str) -> None:
    verdict = hunted(name, seeds.draw(name))
    assert verdict.good, f"\n{table([verdict])}"
