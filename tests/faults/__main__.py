"""The fault laboratory: a cluster of real processes, a nemesis, and one checker.

    python -m tests.faults                        the short form, under three minutes
    python -m tests.faults --full                 every fault at full size, and a mutant of each invariant
    python -m tests.faults --only 'load-*' --full what many clients cost
    python -m tests.faults --soak 30              half an hour of everything at once
    python -m tests.faults --mutants              only the mutants
    python -m tests.faults --list                 names

Ends in a table *scenario / asked / measured / verdict* and exits with 1 where a verdict is no. Everything random comes
from `--seed`, which is drawn and printed where none is given.
"""

from __future__ import annotations

import argparse
import fnmatch
import random
import sys
from pathlib import Path

from tests import environment, services
from tests.faults.catalogue import FULL, SCENARIOS, SHORT
from tests.faults.figures import Verdict, table
from tests.faults.hunt import hunted, mutants
from tests.faults.scenario import Run, judged


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="full sizes")
    parser.add_argument("--only", help="names or patterns, by comma")
    parser.add_argument("--seed", type=int, help="replays a run")
    parser.add_argument("--mutants", action="store_true", help="only the mutants")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="only the soak, so long")
    parser.add_argument("--table", type=Path, help="a file that the table is written to as well")
    parser.add_argument("--list", action="store_true", help="names of scenarios and mutants")
    options = parser.parse_args()
    environment.isolate()
    if options.list:
        print("\n".join([*SCENARIOS, *mutants()]))
        return 0
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    print(f"replay with --seed {seed}", flush=True)
    verdicts: list[Verdict] = []
    try:
        for name in chosen(options):
            print(f"--- {name}", flush=True)
            run = Run(name=name, seed=seed, full=options.full or bool(options.soak), minutes=options.soak or 1)
            verdicts.append(judged(SCENARIOS[name], run) if name in SCENARIOS else hunted(name, seed))
            print(table(verdicts[-1:]), flush=True)
    finally:
        services.stop_all()
    whole = table(verdicts)
    print(f"\n{whole}")
    if options.table:
        options.table.write_text(f"{whole}\n")
    return 0 if verdicts and all(verdict.good for verdict in verdicts) else 1


def chosen(options: argparse.Namespace) -> list[str]:
    if options.soak:
        return ["soak"]
    if options.mutants:
        return [*mutants()]
    if options.only:
        patterns = options.only.split(",")
        return [
            name for name in [*SCENARIOS, *mutants()] if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
        ]
    return [*FULL, *mutants()] if options.full else SHORT


if __name__ == "__main__":
    sys.exit(main())
