"""The systemd units, read as systemd does where tests need it: `Name=value`, a name repeated, specifiers, `${…}`."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Mapping
from string import Template

from tests.deploy.files import INSTALLED, read
from tests.environment import PYTHON, ROOT, for_child
from tests.processes import Process


class Unit:
    """One unit of redline/deploy; `instance` is what stands behind its @."""

    def __init__(self, name: str, *, instance: str = "") -> None:
        self.name = name
        self._instance = instance
        lines = [line for line in read(name).splitlines() if "=" in line and not line.startswith("#")]
        self._values = [tuple(line.split("=", 1)) for line in lines]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._values if key == name]

    def __getitem__(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    def process(self, settings: Mapping[str, str], *, program: str = PYTHON) -> Process:
        """Return what the unit starts, to be run on this checkout with these settings."""
        python, *arguments = shlex.split(self["ExecStart"].replace("%i", self._instance))
        assert python == f"{INSTALLED}/.venv/bin/python"
        assert self["WorkingDirectory"] == INSTALLED
        argv = [program, *(Template(word).substitute(settings) for word in arguments)]
        ends_with = signal.Signals[(self.all("KillSignal") or ["SIGTERM"])[0]]
        name = self.name.replace("@", f"-{self._instance}")
        return Process(argv, name=name, env=for_child(settings), cwd=ROOT, ends_with=ends_with)

    @property
    def patience(self) -> float:
        """How long the unit may take to end before it is killed."""
        return float(self["TimeoutStopSec"])
