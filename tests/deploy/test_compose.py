"""compose.yaml and the Dockerfile, held against the settings and the commands that there are; no docker is needed."""

from __future__ import annotations

import ipaddress
import json
import re
import shutil
import subprocess
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands

from tests.architecture.test_docs import variables as read_by_settings
from tests.deploy import compose
from tests.deploy.files import DEPLOY, filled, read, variables
from tests.deploy.front import Front
from tests.deploy.units import Unit
from tests.environment import PYTHON, ROOT, for_child
from tests.processes import Process, free_port
from tests.servers import fresh_database

SETTINGS = filled()
PROJECT = compose.project(SETTINGS)
SERVICES: dict[str, dict[str, Any]] = PROJECT["services"]
OURS = {name: service for name, service in SERVICES.items() if service.get("image") == "redline"}
WORKERS = [service for name, service in OURS.items() if name.startswith("web")]
DOCKERFILE = read("Dockerfile")


def instruction(name: str) -> list[str]:
    """Return what follows each instruction of that name, in its JSON form where it has one."""
    lines = DOCKERFILE.replace("\\\n", " ").splitlines()
    return [line.split(None, 1)[1] for line in lines if line.split(None, 1)[:1] == [name]]


SERVE: list[str] = json.loads(instruction("CMD")[0])


def test_the_parts_are_there() -> None:
    assert {"postgres", "redis", "web1", "web2", "scheduler", "migrate", "nginx"} <= set(SERVICES)


def test_it_asks_for_nothing_that_the_example_does_not_set() -> None:
    assert compose.interpolated() <= set(variables())


@pytest.mark.parametrize("name", OURS)
def test_our_services_are_given_what_the_settings_read_and_nothing_unknown(name: str) -> None:
    given = set(compose.environment(OURS[name], SETTINGS))
    assert given - {"LISTEN", "POSTGRES_PASSWORD"} <= read_by_settings()
    assert {"DATABASE_URL", "CHANNELS_URL", "CACHE_URL", "SECRET_KEY", "TRUSTED_PROXIES"} <= given


@pytest.mark.parametrize("name", OURS)
def test_what_our_services_run_is_a_command_of_the_project(name: str) -> None:
    words = OURS[name].get("command", SERVE)
    (command,) = re.findall(r"manage\.py (\w+)", " ".join(words))
    assert command in get_commands()


def test_every_address_leads_to_the_service_that_it_means() -> None:
    by_address = {compose.address(SERVICES[name]): name for name in SERVICES if "networks" in SERVICES[name]}
    given = compose.environment(WORKERS[0], SETTINGS)
    (found,) = re.findall(r"@([\d.]+):5432", given["DATABASE_URL"])
    assert by_address[found] == "postgres"
    assert {by_address[ip] for ip in re.findall(r"//([\d.]+):6379", given["CHANNELS_URL"] + given["CACHE_URL"])} == {
        "redis"
    }
    assert by_address[given["TRUSTED_PROXIES"]] == "nginx"
    port = SERVE[SERVE.index("--port") + 1]
    upstream = re.findall(r"server ([\d.]+):(\d+)", PROJECT["configs"]["upstream"]["content"])
    assert upstream == [(compose.address(worker), port) for worker in WORKERS]
    (network,) = PROJECT["networks"]["default"]["ipam"]["config"]
    whole, others = ipaddress.ip_network(network["subnet"]), ipaddress.ip_network(network["ip_range"])
    for one in map(ipaddress.ip_address, by_address):
        assert one in whole, "outside of the network"
        assert one not in others, "another service may be given this address"


def test_a_worker_is_given_as_long_to_end_as_under_systemd() -> None:
    assert {service["stop_grace_period"] for service in WORKERS} == {f"{Unit('redline-web@.service').patience:.0f}s"}


def test_every_file_that_is_mounted_or_built_from_is_there() -> None:
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    files = {path for path in mounted if path.startswith("./")}
    assert files == {"./nginx.conf", "./tls"}
    assert (DEPLOY / "nginx.conf").exists()
    build = OURS["web1"]["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).samefile(DEPLOY / "Dockerfile")


@pytest.mark.servers
def test_nginx_takes_the_workers_that_compose_names() -> None:
    front = Front(upstream=PROJECT["configs"]["upstream"]["content"], name="compose-front")
    tried = front.test()
    tried.spawn()
    assert tried.process.wait(10) == 0, tried.log()
    tried.terminate()


def test_no_key_that_stands_beside_the_files_gets_into_the_image() -> None:
    patterns = read("Dockerfile.dockerignore").splitlines()
    assert patterns.index("redline/deploy") > patterns.index("!redline"), "of two that fit the later one holds"


def kept_out(directory: str, names: list[str]) -> set[str]:
    """Return what of a directory is kept from the image."""
    return {name for name in names if name == "__pycache__" or Path(directory, name) == DEPLOY}


@pytest.mark.servers
def test_the_image_has_all_that_its_worker_needs(tmp_path: Path) -> None:
    """Do what the Dockerfile does, in a directory: copy, collect, serve, ask as its health check does."""
    allowed = [line[1:] for line in read("Dockerfile.dockerignore").splitlines() if line.startswith("!")]
    for copied in instruction("COPY"):
        source, to = copied.split()
        assert any(fnmatch(source, pattern) for pattern in allowed), f"{source} is kept from the image"
        place = tmp_path / source if to == "./" else tmp_path / to
        copy = partial(shutil.copytree, ignore=kept_out) if (ROOT / source).is_dir() else shutil.copy2
        copy(ROOT / source, place)
    (collect,) = [step for step in instruction("RUN") if "collectstatic" in step]
    done = subprocess.run(
        ["sh", "-c", collect.replace("python ", f"{PYTHON} ")],
        cwd=tmp_path,
        env=for_child(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    port = str(free_port())
    shipped = SERVE[SERVE.index("--port") + 1]
    words = [PYTHON, *(port if word == shipped else word for word in SERVE[1:])]
    worker = Process(words, name="image", env=for_child({"DATABASE_URL": fresh_database()}), cwd=tmp_path)
    worker.spawn()
    try:
        healthy = json.loads(DOCKERFILE.replace("\\\n", " ").split("HEALTHCHECK")[1].split("CMD", 1)[1])
        ask = [PYTHON, *(word.replace(f":{shipped}/", f":{port}/") for word in healthy[1:])]
        assert ask != [PYTHON, *healthy[1:]]
        worker.wait_until(
            lambda: subprocess.run(ask, capture_output=True, check=False).returncode == 0, within=30, what="health"
        )
    finally:
        worker.terminate()


def test_nginx_has_the_kernel_settings_that_a_host_has() -> None:
    lines = [line.split("=") for line in read("sysctl.conf").splitlines() if not line.startswith("#")]
    assert SERVICES["nginx"]["sysctls"] == {name.strip(): int(value) for name, value in lines}
