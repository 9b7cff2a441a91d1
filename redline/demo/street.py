"""The one vendors' server of a database: ours, or that of a demo which was there first.

    the former port ── free ──────────────────► ours, on it: links of former starts still lead somewhere
                    ├─ another demo's, same org ─► theirs, until it ends; then ours, where its readers were
                    └─ somebody else's ─────────► ours, on a new port

Two demos on one database would otherwise move the vendors' addresses away from each other.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Callable, Mapping

from django.db import connections

from redline.demo.sites import ADDRESS, Sites, software

LOOK_EVERY = 1.0


class Street:
    def __init__(self, *, mark: str, port: int, begun: Callable[[], Mapping[str, int]]) -> None:
        self._mark = mark
        self._begun = begun
        self._sites = self._open(port)
        if self._sites is None and not self._is_of_this_org(port):
            self._sites = self._open(0)
        self.is_ours = self._sites is not None
        self.host = self._sites.host if self._sites else f"{ADDRESS}:{port}"
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._stand_by, args=(port,), name="demo-street", daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def start(self) -> None:
        if self._sites is not None:
            self._sites.start()
        else:
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(LOOK_EVERY)
        if self._sites is not None:
            self._sites.stop()

    def _open(self, port: int) -> Sites | None:
        with contextlib.suppress(OSError):
            return Sites(mark=self._mark, begun=self._begun, port=port)
        return None

    def _is_of_this_org(self, port: int) -> bool:
        connection = http.client.HTTPConnection(ADDRESS, port, timeout=2)
        try:
            connection.request("HEAD", "/")
            return connection.getresponse().getheader("Server") == software(self._mark)
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _stand_by(self, port: int) -> None:
        """Take over when the other demo ends."""
        try:
            while not self._stopping.wait(LOOK_EVERY):
                sites = self._open(port)
                if sites is not None:
                    self._sites = sites
                    sites.start()
                    return
        finally:
            connections.close_all()
