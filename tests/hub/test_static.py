"""The hub's files as they are deployed: collected, hashed, and still finding each other."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

from tests.environment import ROOT

HUB = ROOT / "streaming" / "static"
IMPORT = re.compile(r'(?:from|import)\s+"([^"]+)"')


class Hashed(ManifestStaticFilesStorage):
    support_js_module_import_aggregation = True


def test_hashed_files_import_each_other_by_their_hashed_names(tmp_path: Path) -> None:
    shutil.copytree(HUB, tmp_path, dirs_exist_ok=True)
    storage = Hashed(location=str(tmp_path), base_url="/static/")
    names = [str(path.relative_to(HUB)) for path in HUB.rglob("*") if path.is_file()]
    paths = {name: (storage, name) for name in names}
    done = {name: hashed for name, hashed, _ in storage.post_process(paths) if not isinstance(hashed, Exception)}
    assert set(done) == set(paths)
    hub = (tmp_path / done["streaming/hub.js"]).read_text()
    assert set(IMPORT.findall(hub)) <= {f"./{Path(hashed).name}" for hashed in done.values()}


@pytest.mark.parametrize("path", sorted(HUB.rglob("*.js")), ids=lambda path: path.name)
def test_a_module_imports_only_what_lies_beside_it(path: Path) -> None:
    for name in IMPORT.findall(path.read_text()):
        assert name.startswith("./"), f"{path.name} imports {name}"
        assert (path.parent / name).exists(), f"{path.name} imports {name}, which is not there"
