"""After a region restarts, everybody comes back: how long it takes, and how long a client waits for its first byte.

    python -m tests.bench.storm [--clients 1000000] [--processes 100] [--connects 1000]

A small simulation in steps of a tenth of a second. All streams break at once. A client knocks after its `retry`,
uniform in 1 to 5 s, as `stream.open` told it. A process opens `--connects` streams a second (measured by
`tests/bench/capacity.py`); who knocks meanwhile waits, first come, first served. A client that has no byte after
`--patience` seconds gives up, and knocks again after a full-jitter pause of up to 0.5, 1, 2, … 30 s; its place in the
queue is worked off in vain.
"""

from __future__ import annotations

import argparse
import random
from collections import deque
from dataclasses import dataclass, field

STEP = 0.1


@dataclass(slots=True, kw_only=True)
class Course:
    """How it went: when each client was let in, how long it had waited, how many openings were in vain."""

    let_in: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    in_vain: int = 0

    def until(self, share: float) -> float:
        """Return the moment at which this share of all had been let in, in seconds."""
        return sorted(self.let_in)[max(round(share * len(self.let_in)) - 1, 0)]

    def wait(self, share: float) -> float:
        return sorted(self.waited)[max(round(share * len(self.waited)) - 1, 0)]


def simulate(*, clients: int, processes: int, connects: int, patience: float, seed: int) -> Course:
    """Let all clients come back to `processes` that each open `connects` streams a second.

    One draw stands for several clients beyond 100,000, so that a million cost no more.
    """
    draw = random.Random(seed)
    group = max(clients // 100_000, 1)
    due: dict[int, list[int]] = {}
    for _ in range(clients // group):
        due.setdefault(round(draw.uniform(1, 5) / STEP), []).append(0)
    queue: deque[tuple[float, int]] = deque()
    course, now, owed = Course(), 0, 0.0
    while due or queue:
        queue.extend((now * STEP, failures) for failures in due.pop(now, ()))
        owed = min(owed + processes * connects * STEP / group, processes * connects * STEP / group + 1)
        while queue and owed >= 1:
            owed -= 1
            since, failures = queue.popleft()
            waited = now * STEP - since
            if waited <= patience:
                course.let_in.append(now * STEP)
                course.waited.append(waited)
            else:
                course.in_vain += group
                pause = draw.uniform(0, min(30, 0.5 * 2**failures))
                due.setdefault(now + 1 + round(pause / STEP), []).append(failures + 1)
        now += 1
    return course


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=100)
    parser.add_argument("--connects", type=int, default=1_000)
    parser.add_argument("--patience", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    course = simulate(**vars(options))
    print(f"{options.clients:,} clients, {options.processes} processes of {options.connects:,} connects/s each")
    print(f"back: half after {course.until(0.5):.1f} s, 99 % after {course.until(0.99):.1f}, all {course.until(1):.1f}")
    print(f"waited for the first byte: p50 {course.wait(0.5):.1f} s, p99 {course.wait(0.99):.1f}")
    print(f"opened in vain for clients that had given up: {course.in_vain:,}")


if __name__ == "__main__":
    main()
