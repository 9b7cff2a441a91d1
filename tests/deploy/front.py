"""nginx in front, with the configuration that is shipped: other ports and places, and nothing else changed."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable
from typing import Self

from tests import binaries, services
from tests.deploy import certificates
from tests.deploy.files import read
from tests.leftovers import directory
from tests.processes import Process, free_port


class Front:
    """nginx before workers on these ports of this machine, `with Front(ports) as front: front.url`.

    `through` is a command line in whose place another host runs it, at that host's `address`.
    """

    def __init__(
        self,
        workers: Iterable[int] = (),
        *,
        upstream: str | None = None,
        name: str = "front",
        address: str = "127.0.0.1",
        through: Callable[..., list[str]] = lambda *argv: [*argv],
    ) -> None:
        program = binaries.nginx() or services.missing("nginx", "apt-get install nginx")
        self.port, self.plain_port = free_port(), free_port()
        self._address = address
        self._place = directory() / name
        self._place.mkdir()
        (self._place / "upstream.conf").write_text(upstream or self._upstream(list(workers)))
        (self._place / "nginx.conf").write_text(self._configuration())
        self._argv = [str(program), "-p", str(self._place), "-c", str(self._place / "nginx.conf")]
        self._process = Process(
            through(*self._argv, "-g", "daemon off;"),
            name=name,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd=self._place,
        )

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def plain_url(self) -> str:
        return f"http://localhost:{self.plain_port}"

    @property
    def tls(self) -> ssl.SSLContext:
        return certificates.client()

    def __enter__(self) -> Self:
        self._process.spawn()
        self._process.wait_until(lambda: (self._place / "pid").exists(), within=10, what="nginx runs")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()

    def test(self) -> Process:
        """Return `nginx -t` on the configuration, not started."""
        return Process([*self._argv, "-t"], name="nginx-t", env={"PATH": os.defpath}, cwd=self._place)

    def access_log(self) -> str:
        return (self._place / "access.log").read_text()

    def tail(self) -> str:
        return "\n".join(self.access_log().splitlines()[-10:])

    def said(self) -> str:
        """Return everything that nginx has written anywhere."""
        return self.access_log() + (self._place / "error.log").read_text() + self._process.log()

    def _upstream(self, workers: list[int]) -> str:
        lines = "\n".join(f"    server 127.0.0.1:{port} max_fails=0;" for port in workers)
        shipped = "    server 127.0.0.1:8001 max_fails=0;\n    server 127.0.0.1:8002 max_fails=0;"
        return read("upstream.conf", {shipped: lines})

    def _configuration(self) -> str:
        chain, key = certificates.certificate()
        changes = {
            "user www-data;": "user www-data;" if os.geteuid() == 0 else "",
            "worker_rlimit_nofile 65536;": "",  # the machine's own limit holds
            "/run/nginx.pid": f"{self._place}/pid",
            "/etc/nginx/upstream.conf": f"{self._place}/upstream.conf",
            "/var/log/nginx": str(self._place),
            "/etc/nginx/tls/fullchain.pem": str(chain),
            "/etc/nginx/tls/privkey.pem": str(key),
            "/srv/redline/staticfiles/": f"{self._place}/staticfiles/",
            "listen 80 default_server": f"listen {self._address}:{self.plain_port} default_server",
            "listen 443 ssl": f"listen {self._address}:{self.port} ssl",
            "        listen [::]:80 default_server backlog=4096;\n": "",
            "        listen [::]:443 ssl http2 backlog=4096;\n": "",
            "    sendfile on;\n": "    sendfile on;\n" + self._temporary(),
        }
        return read("nginx.conf", changes)

    def _temporary(self) -> str:
        """Name places for bodies that everybody may use; the machine's own are root's."""
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        return "".join(f"    {kind}_temp_path {self._place}/{kind};\n" for kind in kinds)
