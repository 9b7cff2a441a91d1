from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.imports import blocking_calls, violations
from tests.environment import ROOT

FILES = sorted(str(path.relative_to(ROOT)) for top in ("streaming", "redline") for path in (ROOT / top).rglob("*.py"))
# Calls by which a pure module would read a clock or draw a number although its imports are innocent.
IMPURE_CALLS = {"now", "utcnow", "today", "fromtimestamp", "uuid1", "uuid4", "uuid6", "uuid7"}


@pytest.mark.parametrize("path", FILES)
def test_each_file_imports_only_what_its_row_allows(path: str) -> None:
    assert violations(path, (ROOT / path).read_text()) == []


@pytest.mark.parametrize("path", [path for path in FILES if path.startswith("streaming/core/")])
def test_the_core_reads_no_clock_and_draws_no_number(path: str) -> None:
    calls = {
        ast.unparse(node.func).rpartition(".")[2]
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Call)
    }
    assert calls & IMPURE_CALLS == set()


@pytest.mark.parametrize("path", [path for path in FILES if path.startswith("streaming/asgi/")])
def test_a_coroutine_calls_nothing_that_reads_the_database(path: str) -> None:
    assert path == "streaming/asgi/bridge.py" or blocking_calls((ROOT / path).read_text()) == []


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ("log.heads(orgs)", True),
        ("heads(orgs)", True),
        ("await bridge.run(log.heads, orgs)", False),
        ("await bridge.run(lambda: log.heads(orgs))", False),
        ("log.Page(rows=[])", False),
    ],
)
def test_a_blocking_call_is_told_from_a_function_that_is_handed_over(body: str, refused: bool) -> None:
    head = "from streaming import log\nfrom streaming.log import heads\n"
    assert bool(blocking_calls(f"{head}async def f(): {body}")) is refused


def test_only_conf_reads_the_settings_of_streaming() -> None:
    readers = {
        path
        for path in FILES
        if path.startswith("streaming/")
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "settings.STREAMING"
    }
    assert readers <= {"streaming/conf.py"}


def test_domain_apps_take_only_what_the_door_of_streaming_offers() -> None:
    tree = ast.parse((ROOT / "streaming" / "__init__.py").read_text())
    offered = {
        name
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        for name in ast.literal_eval(node.value)
    }
    taken = {
        alias.name
        for path in FILES
        if path.startswith("redline/")
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "streaming"
        for alias in node.names
    }
    modules = {path.stem for path in (ROOT / "streaming").iterdir()}  # held by the table
    assert taken - modules <= offered


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("streaming/core/ring.py", "import asyncio"),
        ("streaming/core/ring.py", "import time"),
        ("streaming/core/ring.py", "from random import uniform"),
        ("streaming/core/ring.py", "from django.db import models"),
        ("streaming/core/ring.py", "from streaming import conf"),
        ("streaming/core/ring.py", "def f():\n    import secrets"),
        ("streaming/core/ring.py", "from . import cursor"),
        ("streaming/log.py", "from streaming.asgi import hub"),
        ("streaming/log.py", "from streaming.asgi.hub import Hub"),
        ("streaming/log.py", "import asyncio"),
        ("streaming/log.py", "from asgiref.sync import async_to_sync"),
        ("streaming/log.py", "from redline.workspaces.models import Org"),
        ("streaming/log.py", "import tests.servers"),
        ("streaming/asgi/hub.py", "from streaming.models import LogEntry"),
        ("streaming/asgi/hub.py", "from streaming import emit"),
        ("streaming/asgi/hub.py", "from django.db import connections"),
        ("redline/monitoring/models.py", "from redline.monitoring import services"),
        ("redline/monitoring/models.py", "from streaming.models import LogEntry"),
        ("redline/monitoring/selectors.py", "from redline.monitoring.services import acknowledge"),
        ("redline/monitoring/services.py", "from redline.payments.models import Stream"),
        ("redline/monitoring/services.py", "from redline.monitoring import api"),
        ("redline/monitoring/api.py", "from redline.monitoring import streams"),
        ("redline/monitoring/api.py", "from streaming.outbox import emit"),
        ("redline/monitoring/apps.py", "import redline.monitoring.streams"),
        ("redline/monitoring/pipeline/compare.py", "from django.db import models"),
        ("redline/monitoring/pipeline/compare.py", "from redline.monitoring.models import Run"),
        ("redline/monitoring/helpers.py", ""),
        ("streaming/storage/log.py", ""),
    ],
)
def test_the_table_refuses(path: str, source: str) -> None:
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("streaming/core/ring.py", "from streaming.core.cursor import Cursor\nfrom dataclasses import dataclass"),
        ("streaming/log.py", "from django.db import models\nfrom streaming import conf\nimport time"),
        ("streaming/asgi/watcher.py", "from streaming import log\nfrom django.db import DatabaseError"),
        ("streaming/asgi/bridge.py", "from streaming import log\nfrom django.db import connections\nimport asyncio"),
        ("streaming/asgi/hub.py", "if TYPE_CHECKING:\n    from streaming.log import Page"),
        (
            "redline/monitoring/api.py",
            "from redline.monitoring import services\nfrom redline.workspaces.models import Org",
        ),
        (
            "redline/monitoring/streams.py",
            "from redline.monitoring import selectors\nfrom streaming import Event, Stream",
        ),
        ("redline/payments/admin.py", "from redline.payments.models import Stream\nfrom django.contrib import admin"),
    ],
)
def test_the_table_allows(path: str, source: str) -> None:
    assert violations(path, source) == []


def test_files_are_found_at_all() -> None:
    assert "streaming/core/cursor.py" in FILES
    assert all(Path(path).suffix == ".py" for path in FILES)
