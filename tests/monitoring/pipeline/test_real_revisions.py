"""The pipeline over real texts that somebody published, held against plain `diff`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

from redline.monitoring.pipeline.compare import compare
from redline.monitoring.pipeline.markdown import to_html
from redline.monitoring.pipeline.text import read
from tests.monitoring.real_revisions import main, rows, vendor

# A release of each era: the registry's dispute policy was rewritten, moved and reworded between them.
RELEASES = ("1.4.29", "2.15.12", "3.10.10", "4.6.1", "6.9.2")


def installed_licences() -> list[Path]:
    """The licence texts of whatever is installed here, one of each, in an order that puts like beside like."""
    found = Path(sysconfig.get_path("purelib")).rglob("*.dist-info/**/LICEN[CS]E*")
    by_text = {path.read_bytes(): path for path in sorted(found) if path.is_file()}
    return [by_text[text] for text in sorted(by_text, key=lambda text: (len(text), text))]


def test_between_real_licences_no_changed_word_is_missed_and_none_is_made_up() -> None:
    licences = [path for path in installed_licences() if path.stat().st_size < 40_000]
    assert len(licences) >= 20
    with vendor() as server:
        found = list(rows(licences, server))
    assert {(row.old, row.new): row.missed + row.false for row in found if row.missed or row.false} == {}
    assert all(row.findings for row in found if row.gone or row.come)


def test_a_real_licence_in_another_rendering_is_no_change() -> None:
    for path in installed_licences():
        text = path.read_text(encoding="utf-8", errors="replace")
        original = read(text, content_type="text/plain")
        respaced = "\r\n".join(f"  {line.strip().replace(' ', '  ')} " for line in text.splitlines())
        assert compare(original, read(respaced, content_type="text/plain")) == [], path
        page = f"<!doctype html><html><body><main class=text>{to_html(text)}</main></body></html>"
        assert compare(original, read(page, content_type="text/html")) == [], path


@pytest.mark.long
def test_between_published_releases_of_a_real_policy_nothing_is_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    npm = shutil.which("npm")
    if npm is None and "REDLINE_REQUIRE_REAL" not in os.environ:
        pytest.skip("npm is not installed")
    assert npm, "npm is needed to fetch its own releases"
    revisions = tmp_path / "disputes"
    revisions.mkdir()
    for number, release in enumerate(RELEASES):
        subprocess.run([npm, "pack", "--silent", f"npm@{release}"], cwd=tmp_path, check=True, timeout=120)
        with tarfile.open(tmp_path / f"npm-{release}.tgz") as archive:
            name = next(name for name in archive.getnames() if name.endswith("doc/misc/npm-disputes.md"))
            page = archive.extractfile(name)
            assert page is not None
            (revisions / f"{number}-{release}.md").write_bytes(page.read())
    assert main([str(revisions)]) == 0, capsys.readouterr().out
    assert f"{len(RELEASES) - 1} pairs" in capsys.readouterr().out


def test_bad_input_is_a_usage_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main([sys.executable]) == 2
    assert capsys.readouterr().err.startswith("usage: ")
