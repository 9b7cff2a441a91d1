"""Settings and environment variables held against the tables that document them: none missing, none invented."""

from __future__ import annotations

import ast
import re
from dataclasses import fields

from streaming.conf import Settings
from tests.environment import ROOT, is_project_variable

ROW = re.compile(r"^\| `([A-Z][A-Z0-9_]*)` \|", re.MULTILINE)
READERS = {"setting", "number", "whole", "interval", "names", "networks", "flag", "matching", "parsed", "url"}
"""The functions of `redline/settings.py` whose first argument is the name of a variable."""
DJANGO_ONLY = {"DJANGO_SETTINGS_MODULE"}


def tabled(*path: str) -> list[str]:
    """Return the names in backticks that stand in the first column of a document's tables."""
    return ROW.findall(ROOT.joinpath(*path).read_text())


def variables() -> set[str]:
    """Return the environment variables that the project's settings read."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / "redline" / "settings.py").read_text())):
        if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
            continue
        if ast.unparse(node.func) in READERS | {"os.environ.get"}:
            found.add(str(node.args[0].value))
    return found - DJANGO_ONLY


def test_every_setting_of_streaming_is_documented_once_and_none_is_invented() -> None:
    assert sorted(tabled("streaming", "README.md")) == sorted(field.name for field in fields(Settings))


def test_every_environment_variable_is_documented_once_and_none_is_invented() -> None:
    assert sorted(tabled("README.md")) == sorted(variables())


def test_tests_drop_every_variable_that_the_project_reads() -> None:
    assert {name for name in variables() if not is_project_variable(name)} == set()
