"""Fan-out with and without joining what comes together, in one run: 1,000 subscribers, events as fast as they go.

    python -m tests.bench.pacing [--subscribers 1000] [--events 5000] [--rounds 3]

Three modes: *paced* as it ships; *unpaced*, where every wake fans out at once, which still joins what arrived in the
same turn of the loop; *one by one*, where every event is a write of its own. uvicorn on a real PostgreSQL and Redis,
the writer in another process, a hundred events a transaction. Rounds alternate, ratios are of medians. Where there are
two processors, the server has one to itself.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
from dataclasses import dataclass

from tests import services
from tests.environment import PYTHON, ROOT
from tests.servers import fresh_database, manage, serve

PAYLOAD = json.dumps({"changeReportId": "chg_1", "vendorId": "vnd_1", "severity": "P3", "headline": "h"})
SETTINGS = {"paced": "redline.settings", "unpaced": "tests.bench.unpaced", "one by one": "tests.bench.one_by_one"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    deliveries: int
    seconds: float
    complete: int

    @property
    def rate(self) -> float:
        return self.deliveries / self.seconds


def measure(mode: str, *, subscribers: int, events: int) -> Result:
    database = fresh_database("postgres")
    layer = services.redis().url.replace("redis://", "redis+pubsub://")
    token = manage("token", "acme", "owner", "--create", database_url=database).stdout.strip()
    env = {"STREAM_MAX_PER_USER": "0", "STREAM_MAX_PER_ORG": "0", "DJANGO_SETTINGS_MODULE": SETTINGS[mode]}
    with serve("uvicorn", database_url=database, channels_url=layer, env=env) as server:
        pin(server.pid, first=True)
        crowd = subprocess.Popen(
            [PYTHON, "-m", "tests.bench.subscribers", str(server.port), token, str(subscribers), str(events)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        pin(crowd.pid, first=False)
        assert crowd.stdout is not None
        assert crowd.stdout.readline().strip() == "ready"
        command = ("emit", "acme", "change.detected", PAYLOAD, "--count", str(events))
        emitted = manage(*command, database_url=database, channels_url=layer, timeout=300)
        assert emitted.returncode == 0, emitted.stderr
        result = json.loads(crowd.stdout.readline())
        crowd.wait()
    return Result(**result)


def pin(pid: int, *, first: bool) -> None:
    if hasattr(os, "sched_setaffinity") and len(processors := sorted(os.sched_getaffinity(0))) > 1:
        os.sched_setaffinity(pid, {processors[0]} if first else set(processors[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rates: dict[str, list[float]] = {mode: [] for mode in SETTINGS}
    for number in range(options.rounds):
        for mode in SETTINGS:
            result = measure(mode, subscribers=options.subscribers, events=options.events)
            rates[mode].append(result.rate)
            print(
                f"round {number + 1} {mode:10} {result.rate:10,.0f} deliveries/s "
                f"({result.complete} of {options.subscribers} subscribers had all {options.events})",
                flush=True,
            )
    medians = {mode: statistics.median(found) for mode, found in rates.items()}
    for mode, median in medians.items():
        print(f"median  {mode:10} {median:10,.0f} deliveries/s, {median / medians['one by one']:.1f} times one by one")


if __name__ == "__main__":
    main()
