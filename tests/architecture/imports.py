"""How a file is held against the table of who may import whom, by its syntax alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.table import QUERYING, TABLE, Row
from tests.environment import ROOT


@dataclass(frozen=True, kw_only=True)
class Import:
    """One imported module and name, where it stands, and whether only the type checker sees it."""

    module: str
    name: str
    line: int
    for_types: bool


def violations(path: str, source: str) -> list[str]:
    """Return one sentence for each import of a file that the table does not allow."""
    row, app = row_for(path)
    if row is None:
        return [f"{path}: no row of the table is for this file"]
    return [
        f"{path}:{one.line} imports {one.module}, which its row does not allow"
        for one in imports(ast.parse(source))
        if not _allowed(one, row, app)
    ]


def row_for(path: str) -> tuple[Row | None, str]:
    """Return the row that holds for a file, and the app that `{app}` stands for."""
    for row in TABLE:
        found = re.fullmatch(_as_regex(row.files, name="[^/]+"), path)
        if found:
            return row, path.split("/")[1] if path.startswith("redline/") else ""
    return None, ""


def imports(tree: ast.Module) -> Iterator[Import]:
    typed = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        for module, name in _modules(node):
            yield Import(module=module, name=name, line=getattr(node, "lineno", 0), for_types=id(node) in typed)


def blocking_calls(source: str) -> list[str]:
    """Return each call that a coroutine itself makes to a QUERYING module; values (Capitalised) are no calls."""
    tree = ast.parse(source)
    bound = _bound_to_querying(tree)
    return [
        f"line {node.lineno}: {ast.unparse(node.func)}() blocks the loop"
        for coroutine in ast.walk(tree)
        if isinstance(coroutine, ast.AsyncFunctionDef)
        for node in _own_nodes(coroutine)
        if isinstance(node, ast.Call) and _queries(node.func, bound)
    ]


def _own_nodes(function: ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """Walk a coroutine without the functions that stand in it: those run where they are handed to."""
    waiting: list[ast.AST] = [*function.body]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _bound_to_querying(tree: ast.Module) -> set[str]:
    """Return the names that are a QUERYING module, or came out of one, in this file."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
        if node.module in QUERYING or f"{node.module}.{alias.name}" in QUERYING
    }


def _queries(called: ast.expr, bound: set[str]) -> bool:
    root, _, last = ast.unparse(called).partition(".")
    return root in bound and not (last or root)[:1].isupper()


def _modules(node: ast.AST) -> list[tuple[str, str]]:
    if isinstance(node, ast.Import):
        return [(alias.name, "") for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        if node.level or node.module is None:
            return [("a relative module", "")]
        return [(_module(node.module, alias.name), alias.name) for alias in node.names]
    return []


def _module(package: str, name: str) -> str:
    """Tell `from package import module` from `from module import name`; only the door itself offers names."""
    place = ROOT / Path(*package.split("."))
    if not place.is_dir() or (package == "streaming" and not (place / f"{name}.py").is_file()):
        return package
    return f"{package}.{name}"


def _allowed(one: Import, row: Row, app: str) -> bool:
    top = one.module.partition(".")[0]
    if top in ("streaming", "redline"):
        patterns = row.may + (row.types if one.for_types else ())
        return any(_fits(one.module, pattern.replace("{app}", app)) for pattern in patterns)
    if top in ("a relative module", "tests"):
        return False
    if row.only is not None:
        return top in row.only
    if one.name.endswith("Error"):
        return True  # to catch what another room raises is not to do its work
    return not any(one.module == barred or one.module.startswith(f"{barred}.") for barred in row.never)


def _fits(module: str, pattern: str) -> bool:
    # `streaming.*` is the modules of that room; a room within it has to be named.
    is_room = (ROOT / Path(*module.split("."))).is_dir()
    return module == pattern or (not is_room and re.fullmatch(_as_regex(pattern, name=r"\w+"), module) is not None)


def _as_regex(pattern: str, *, name: str) -> str:
    escaped = re.escape(pattern.replace("{app}", "*"))
    return escaped.replace(r"\*", name)
