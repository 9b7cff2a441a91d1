"""Whether the demo may have its port: asked before anything is written or printed.

The port is bound, not listened on, until the server takes it over, so that nobody is answered before the printed lines
are out, and an address that is not ours or already taken is one line at once.
"""

from __future__ import annotations

import errno
import socket

from redline.demo.errors import DemoError, PortTaken


class Place:
    """An address and port that are ours from the making until `give_up`."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host.strip("[]")
        self.port = port
        self._socket = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        # What the last demo left in TIME_WAIT must not count as taken.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self.host, port))
        except (OSError, UnicodeError) as error:
            self._socket.close()
            raise self._refusal(error) from None

    def give_up(self) -> None:
        self._socket.close()

    @property
    def url(self) -> str:
        """Return where a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def host_names(self) -> list[str]:
        """Return what browsers may call it: whoever serves every address is called by any of its names."""
        if self.host in ("0.0.0.0", "::"):
            return ["*"]
        return [f"[{self.host}]" if ":" in self.host else self.host]

    @property
    def taken(self) -> str:
        return f"Something else is listening on {self._name}; choose another with --port."

    @property
    def _name(self) -> str:
        return f"port {self.port} of {self.host}"

    def _refusal(self, error: Exception) -> DemoError:
        match getattr(error, "errno", None):
            case errno.EADDRINUSE:
                return PortTaken(self.taken)
            case errno.EACCES:
                return DemoError(f"Only an administrator may listen on {self._name}; choose one from 1024 up.")
        return DemoError(f"Cannot listen on {self._name}: {getattr(error, 'strerror', None) or error}.")
