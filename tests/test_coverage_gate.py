from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import coverage_gate


def entry(lines: int, ran: int) -> dict[str, dict[str, int]]:
    return {"summary": {"num_statements": lines, "covered_lines": ran}}


def measured(tmp_path: Path, **files: tuple[int, int]) -> dict[str, coverage_gate.Group]:
    report = {"files": {path: entry(*figures) for path, figures in files.items()}}
    return {group.name: group for group in coverage_gate.groups(report, tmp_path)}


def test_streaming_counts_as_a_whole_and_each_app_of_redline_for_itself(tmp_path: Path) -> None:
    files = {
        "streaming/hub.py": (100, 90),
        "streaming/core/ring.py": (100, 100),
        "redline/monitoring/models.py": (50, 50),
        "redline/payments/models.py": (50, 40),
        "redline/settings.py": (10, 10),
        "tests/servers.py": (10, 0),
    }
    found = measured(tmp_path, **files)
    assert {name: group.percent for name, group in found.items()} == {
        "streaming": 95.0,
        "redline/monitoring": 100.0,
        "redline/payments": 80.0,
        "redline": 100.0,
    }
    assert [name for name, group in found.items() if not group.passes] == ["redline/payments"]


def test_just_below_the_threshold_is_below(tmp_path: Path) -> None:
    assert not measured(tmp_path, **{"streaming/hub.py": (10_000, 9_499)})["streaming"].passes


def test_migrations_do_not_count(tmp_path: Path) -> None:
    assert measured(tmp_path, **{"streaming/migrations/0001_initial.py": (10, 0)}) == {}


def test_a_file_that_nothing_imported_counts_as_not_run(tmp_path: Path) -> None:
    app = tmp_path / "redline" / "stacks"
    app.mkdir(parents=True)
    (app / "models.py").write_text("a = 1\nif a:\n    b = 2\n")
    (app / "__init__.py").write_text("")
    assert measured(tmp_path)["redline/stacks"].lacking == {"redline/stacks/models.py": 3}


def test_the_gate_fails_names_the_group_and_its_worst_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"files": {"streaming/hub.py": entry(100, 94)}}))
    assert coverage_gate.main([str(report)]) == 1
    assert "lacks streaming/hub.py 6" in (said := capsys.readouterr().out)
    assert said.endswith("coverage below 95 %: streaming\n")


def test_a_report_of_nothing_does_not_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = tmp_path / "report.json"
    report.write_text('{"files": {}}')
    assert coverage_gate.main([str(report)]) == 1
