"""The gate: 95 % of the lines of `streaming/` as a whole, and of each app of `redline/`, were run by a test.

Reads the JSON report of coverage (`python -m tests.coverage_gate report.json`), prints one line a group with the
files that lack most, and exits 1 when a group is below. A file that the report does not know counts as not run at
all: what was never imported by any process is not covered. Migrations are what Django wrote and do not count.
"""

from __future__ import annotations

import ast
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

THRESHOLD = 95.0


@dataclass(slots=True)
class Group:
    """Lines of one part of the project: how many there are, how many ran, and what each file lacks."""

    name: str
    lines: int = 0
    ran: int = 0
    lacking: dict[str, int] = field(default_factory=dict)

    def add(self, path: str, *, lines: int, ran: int) -> None:
        self.lines += lines
        self.ran += ran
        if ran < lines:
            self.lacking[path] = lines - ran

    @property
    def percent(self) -> float:
        return 100.0 * self.ran / self.lines if self.lines else 100.0

    @property
    def passes(self) -> bool:
        # Compared before rounding: 94.96 is not 95.
        return self.percent >= THRESHOLD

    def __str__(self) -> str:
        worst = sorted(self.lacking.items(), key=lambda item: -item[1])[:5]
        lacks = "" if self.passes else "  lacks " + ", ".join(f"{path} {count}" for path, count in worst)
        return f"{self.percent:6.2f} %  {self.name}  ({self.ran} of {self.lines} lines){lacks}"


def group_of(path: str) -> str | None:
    """Return the group that a file counts in, or None: `streaming`, `redline/<app>`, `redline` for its own files."""
    parts = PurePosixPath(path).parts
    if "migrations" in parts or parts[0] not in ("streaming", "redline"):
        return None
    return "/".join(parts[:2]) if parts[0] == "redline" and len(parts) > 2 else parts[0]


def groups(report: dict[str, dict[str, dict[str, dict[str, int]]]], root: Path) -> list[Group]:
    """Add up the report by group, with the files of `root` that it does not know."""
    found: dict[str, Group] = {}
    known = {path.replace("\\", "/"): entry["summary"] for path, entry in report["files"].items()}
    for path in sorted(known.keys() | set(_sources(root))):
        name = group_of(path)
        if name is None:
            continue
        summary = known.get(path)
        lines = summary["num_statements"] if summary else statements(root / path)
        found.setdefault(name, Group(name)).add(path, lines=lines, ran=summary["covered_lines"] if summary else 0)
    return [group for group in found.values() if group.lines]


def statements(path: Path) -> int:
    """Count the statements of a file that no process imported, roughly as coverage would."""
    return sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(path.read_text())))


def _sources(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for top in ("streaming", "redline") for path in (root / top).rglob("*.py")]


def main(argv: list[str]) -> int:
    measured = groups(json.loads(Path(argv[0]).read_text()), Path.cwd())
    for group in measured:
        print(group)
    failing = [group.name for group in measured if not group.passes]
    if failing or not measured:
        print(f"coverage below {THRESHOLD:g} %: {', '.join(failing) or 'nothing was measured'}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
