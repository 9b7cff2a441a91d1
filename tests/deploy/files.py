"""The files of redline/deploy as they are shipped; a test may change places and ports in them, and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from tests.environment import ROOT

DEPLOY = ROOT / "redline" / "deploy"
INSTALLED = "/srv/redline"
"""Where the files say that the project lies."""


def read(name: str, changes: Mapping[str, str] | None = None) -> str:
    """Return a file's text with each of the given places changed; one that is not in it fails."""
    text = (DEPLOY / name).read_text()
    for old, new in (changes or {}).items():
        assert old in text, f"{name} has no {old!r}"
        text = text.replace(old, new)
    return text


def variables(name: str = "env.example") -> dict[str, str]:
    """Return what a file of settings sets, as systemd and compose read it."""
    lines = [line for line in read(name).splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def filled() -> dict[str, str]:
    """Return the example's settings with the keys filled in, as its README does it."""
    return {name: value or secrets.token_hex(32) for name, value in variables().items()}
