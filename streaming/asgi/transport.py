"""The one place that reaches behind ASGI: cutting a connection whose client does not read.

ASGI has no word for "drop it now": a server that is told nothing more keeps the socket and its buffer until the client
reads, which may be never. uvicorn and our Daphne server let themselves be reached from the `send` that they gave us;
where a server does not, the connection ends when its app returns.
"""

from __future__ import annotations

import functools
from typing import Any


def abort(send: Any) -> bool:
    """Cut the connection behind `send`; False where the server offers no way."""
    if isinstance(send, functools.partial):  # Daphne: partial(server.handle_reply, protocol)
        drop = getattr(getattr(send.func, "__self__", None), "abort", None)
        drop = functools.partial(drop, *send.args) if drop is not None else None
    else:  # uvicorn: the bound method of an exchange that knows its transport
        drop = getattr(getattr(getattr(send, "__self__", None), "transport", None), "abort", None)
    if drop is None:
        return False
    drop()
    return True
