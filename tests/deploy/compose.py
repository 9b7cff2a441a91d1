"""compose.yaml as compose reads it: merge keys resolved, `${…}` filled from the settings beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.deploy.files import read

VARIABLE = re.compile(r"\$\{(\w+)(?::\?)?\}")


def interpolated() -> set[str]:
    """Return the variables that the file takes from the settings beside it."""
    return set(VARIABLE.findall(read("compose.yaml")))


def project(settings: Mapping[str, str]) -> dict[str, Any]:
    return dict(yaml.safe_load(VARIABLE.sub(lambda found: settings[found[1]], read("compose.yaml"))))


def environment(service: Mapping[str, Any], settings: Mapping[str, str]) -> dict[str, str]:
    """Return what a service's process sees: the file of settings, then the service's own."""
    from_file = settings if service.get("env_file") == ".env" else {}
    return {**from_file, **service.get("environment", {})}


def address(service: Mapping[str, Any]) -> str:
    return str(service["networks"]["default"]["ipv4_address"])
