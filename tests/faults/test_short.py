"""The laboratory in its short form: faults at a small size, on real processes; the rest and the mutants are long."""

from __future__ import annotations

import pytest

from tests.acceptance import seeds
from tests.faults.catalogue import FULL, SCENARIOS, SHORT
from tests.faults.figures import table
from tests.faults.hunt import hunted, mutants
from tests.faults.scenario import Run, judged

pytestmark = [pytest.mark.postgres, pytest.mark.servers]


REST = [pytest.param(name, marks=pytest.mark.long) for name in FULL if name not in SHORT]


@pytest.mark.parametrize("name", [*SHORT, *REST])
def test_nothing_is_lost_through(name: str) -> None:
    verdict = judged(SCENARIOS[name], Run(name=name, seed=seeds.draw(name)))
    assert verdict.good, f"\n{table([verdict])}"


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(mutants()))
def test_the_laboratory_catches(name: str) -> None:
    verdict = hunted(name, seeds.draw(name))
    assert verdict.good, f"\n{table([verdict])}"
