from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import tally


@pytest.mark.parametrize(
    ("passes", "line", "code"),
    [
        ([{"passed": 3, "skipped": 0}, {"passed": 2, "skipped": 1}], "5 passed, 1 skipped in 9s", 0),
        ([{"passed": 3, "failed": 1}, {"passed": 2}], "1 failed, 5 passed in 9s", 1),
        ([{"passed": 3}, {"error": 2}], "2 errors, 3 passed in 9s", 1),
        ([{"passed": 0, "skipped": 4}], "4 skipped in 9s", 1),
        ([], "no tests ran in 9s", 1),
    ],
)
def test_the_closing_line_adds_up_all_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], passes: list[dict[str, int]], line: str, code: int
) -> None:
    file = tmp_path / "tally"
    if passes:
        file.write_text("".join(json.dumps(one) + "\n" for one in passes))
    assert tally.main([str(file), "9"]) == code
    assert capsys.readouterr().out.strip().strip("=").strip() == line
