"""Lets a mutant loose, and asks whether the laboratory has caught it, and by what."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.faults import bent
from tests.faults.catalogue import SCENARIOS
from tests.faults.figures import Figure, Verdict
from tests.faults.scenario import Run, judged

if TYPE_CHECKING:
    from tests.faults.mutation import Mutant


def mutants() -> dict[str, Mutant]:
    """Return every mutant by its name; their patches name the project's parts, so it has to be set up for that."""
    bent.set_up()
    from tests.faults.mutants import MUTANTS

    return MUTANTS


def hunted(name: str, seed: int) -> Verdict:
    """Run the scenario that has to catch a mutant, in its short form, with every process mutated."""
    prey = mutants()[name]
    os.environ[bent.MUTANT] = name
    try:
        verdict = judged(SCENARIOS[prey.scenario], Run(name=prey.scenario, seed=seed))
    finally:
        del os.environ[bent.MUTANT]
    bad = [figure for figure in verdict.figures if not figure.good]
    caught = any(prey.caught_by in figure.asked or prey.caught_by in figure.measured for figure in bad)
    told = "; ".join(f"{figure.asked}: {figure.measured}" for figure in bad)
    figure = Figure(
        asked=f"{prey.breaks} Caught in {prey.scenario} by “{prey.caught_by}”",
        measured=told[:240] or "nothing noticed",
        good=caught,
    )
    return Verdict(scenario=f"mutant {name}", seed=seed, seconds=verdict.seconds, figures=(figure,))
