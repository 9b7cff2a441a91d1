"""env.example: nothing in it is unknown to whoever reads it, and filled in it passes every check."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.architecture.test_docs import variables as read_by_settings
from tests.deploy.files import DEPLOY, filled, read, variables
from tests.environment import PYTHON, ROOT, for_child
from tests.servers import manage

OWN = {"LISTEN": "redline-web@.service", "POSTGRES_PASSWORD": "compose.yaml"}
"""Variables that the settings do not read, and the file that does."""


def test_every_variable_is_read_by_the_settings_or_by_a_file_beside_it() -> None:
    assert set(variables()) - set(OWN) <= read_by_settings()
    for name, file in OWN.items():
        assert f"${{{name}" in read(file)


def test_only_keys_are_left_to_be_filled_in_and_the_readme_fills_them_all() -> None:
    empty = {name for name, value in variables().items() if not value}
    loops = re.findall(r"^for name in ([A-Z_ ]+); do$", read("README.md"), re.MULTILINE)
    assert [set(loop.split()) for loop in loops] == [empty, empty]


def test_every_line_is_one_that_systemd_compose_and_the_shell_read_alike() -> None:
    for line in read("env.example").splitlines():
        assert re.fullmatch(r"|#.*|[A-Z_]+=[^\s'\"`$\\]*", line), line


@pytest.mark.servers
def test_filled_in_it_passes_the_deployment_checks_without_a_warning() -> None:
    told = filled()
    done = manage("check", "--deploy", "--fail-level", "WARNING", database_url=told.pop("DATABASE_URL"), env=told)
    assert done.returncode == 0, done.stderr


@pytest.mark.servers
def test_spoiled_it_does_not() -> None:
    spoiled = {
        "security.W012": {"HTTPS_ONLY": ""},
        "streaming.E011": {"DEBUG": "1"},
        "streaming.W014": {"CHANNELS_URL": "inmemory://"},
        "streaming.E022": {"DATABASE_POOL_SIZE": "3"},
        "streaming.E025": {"ALLOWED_HOSTS": "*"},
        "streaming.E028": {"SECRET_KEY": "short"},
    }
    env = filled()
    for spoil in spoiled.values():
        env |= spoil
    done = manage("check", "--deploy", "--fail-level", "WARNING", database_url=env.pop("DATABASE_URL"), env=env)
    assert done.returncode == 1
    assert [rule for rule in spoiled if rule not in done.stderr] == []


@pytest.mark.servers
@pytest.mark.parametrize("end", ["\n", ""])
def test_the_redline_command_gives_a_command_what_the_services_have(tmp_path: Path, end: str) -> None:
    settings_file = tmp_path / "env"
    settings_file.write_text(f"# a comment\nSECRET_KEY=a=b&c\nDEBUG=maybe{end}")
    script = read(
        "redline",
        {
            "/etc/redline/env": str(settings_file),
            "cd /srv/redline": f"cd {ROOT}",
            "runuser -u redline -- .venv/bin/python": PYTHON,
        },
    )
    argv = ["sh", "-c", script, "redline", "check"]
    done = subprocess.run(argv, env=for_child(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "DEBUG has a bad value: 'maybe' is neither true nor false\n"
    assert (DEPLOY / "redline").stat().st_mode & 0o111
