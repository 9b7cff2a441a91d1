"""The seed of a random test: printed, and replayed by REDLINE_TEST_SEED."""

from __future__ import annotations

import os
import random


def draw(name: str) -> int:
    """Return this run's seed, and print what repeats it; pytest shows it where the test fails."""
    seed = int(os.environ.get("REDLINE_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"{name}: replay with REDLINE_TEST_SEED={seed}")
    return seed
