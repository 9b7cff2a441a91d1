"""Keeps credentials out of log lines: the values of `token`, `ticket` and bearer headers, and what looks like a token.

Servers print request targets with their query in access logs and in errors, and libraries print URLs. `install` puts
the filter where every record passes: the record factory, so that handlers added later are covered too.
"""

from __future__ import annotations

import logging
import re
import traceback
from typing import Any

_SECRETS = re.compile(
    r"(?P<key>(?:[?&;\s\"']|%3F|%26|^)(?:token|ticket|reconnect_?token)(?:=|%3D))[^&\s\"'#]*"
    r"|(?P<scheme>bearer\s+)[A-Za-z0-9._~+/=-]+"
    r"|(?P<prefix>rl_)[A-Za-z0-9_-]{16,}"
    r"|(?P<jwt>e[wy])[A-Za-z0-9_-]{14,}\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]*",  # JSON in base64 begins so
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Return the text with every credential that it may hold replaced."""
    return _SECRETS.sub(lambda match: f"{match[match.lastgroup or 0]}[redacted]", text)


def redact_record(record: logging.LogRecord) -> None:
    """Redact a record's message and text arguments, keeping its form for formatters that read the arguments."""
    record.msg = _argument(record.msg)
    if isinstance(record.args, tuple):
        record.args = tuple(_argument(value) for value in record.args)
    elif isinstance(record.args, dict):
        record.args = {key: _argument(value) for key, value in record.args.items()}
    if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
        # Formatters use this text where it is set, and make it from the traceback where it is not.
        record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip())


def _argument(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return redact(value.decode("latin-1")).encode("latin-1")
    if isinstance(value, dict):
        return {key: _argument(item) for key, item in value.items()}
    return value if value is None or isinstance(value, int | float) else _object(value)


def _object(value: Any) -> Any:
    """Return an object as it is, or as redacted text where its text holds a credential: clients log URL objects."""
    try:
        text = str(value)
    except Exception:
        return value  # the handler that formats the record will meet the same, and reports it
    redacted = redact(text)
    return value if redacted == text else redacted


def install() -> None:
    """Redact every record of this process from now on."""
    make = logging.getLogRecordFactory()
    if getattr(make, "redacts", False):
        return

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        redact_record(record)
        return record

    factory.redacts = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(factory)
