"""The closing line of `tests/run`: the outcomes of all its pytest passes in one, in pytest's own words.

Each pass appends a line of JSON to the file that REDLINE_TEST_TALLY names; `python -m tests.tally FILE SECONDS`
adds them up, prints the line and exits 1 when a test failed or none ran.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

WORDS = {
    "failed": "failed",
    "error": "errors",
    "passed": "passed",
    "skipped": "skipped",
    "xfailed": "xfailed",
    "xpassed": "xpassed",
}


def total(lines: list[str]) -> Counter[str]:
    outcome: Counter[str] = Counter()
    for line in lines:
        outcome.update(json.loads(line))
    return outcome


def sentence(outcome: Counter[str], seconds: str) -> str:
    counted = [f"{outcome[name]} {word}" for name, word in WORDS.items() if outcome[name]]
    return f" {', '.join(counted) or 'no tests ran'} in {seconds}s ".center(80, "=")


def main(argv: list[str]) -> int:
    file = Path(argv[0])
    outcome = total(file.read_text().splitlines() if file.exists() else [])
    print(sentence(outcome, argv[1]))
    return 1 if outcome["failed"] or outcome["error"] or not outcome["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
