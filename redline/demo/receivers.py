"""Those who take what the demo's policies send: a Slack channel, one that was archived, and a ticket desk.

They answer as the real ones do. The archived channel's 410 makes a delivery fail for a true reason; the desk gives the
same ticket to the same idempotency key, so that a repeated delivery opens no second one.
"""

from __future__ import annotations

import zlib
from http import HTTPStatus

import orjson

from redline.demo.answer import Answer
from redline.demo.inbox import Inbox

SLACK = "/hooks/slack"
ARCHIVED = "/hooks/slack-archived"
TICKETS = "/hooks/tickets"
_TEXT = {"Content-Type": "text/plain; charset=utf-8"}
_JSON = {"Content-Type": "application/json"}
_SHOWN_BY_SLACK = {"text", "blocks", "attachments"}


def post(path: str, body: bytes, *, key: str, inbox: Inbox) -> Answer:
    """Take a webhook; `key` is its idempotency key."""
    match path:
        case "/hooks/slack":
            return _slack(body, inbox)
        case "/hooks/slack-archived":
            return Answer(status=HTTPStatus.GONE, headers=_TEXT, body=b"channel_is_archived")
        case "/hooks/tickets":
            return _ticket(body, key, inbox)
    return Answer(status=HTTPStatus.NOT_FOUND, headers=_TEXT, body=b"no_service")


def _slack(body: bytes, inbox: Inbox) -> Answer:
    message = _object(body)
    if not message.keys() & _SHOWN_BY_SLACK:
        return Answer(status=HTTPStatus.BAD_REQUEST, headers=_TEXT, body=b"invalid_payload")
    inbox.put("hooks", to=SLACK, text=str(message.get("text") or _indented(message)))
    return Answer(status=HTTPStatus.OK, headers=_TEXT, body=b"ok")


def _ticket(body: bytes, key: str, inbox: Inbox) -> Answer:
    message = _object(body)
    if not message:
        return Answer(status=HTTPStatus.BAD_REQUEST, headers=_TEXT, body=b"not a ticket")
    ticket = f"RISK-{zlib.crc32(key.encode() or body) % 9000 + 1000}"
    inbox.put("hooks", to=f"{TICKETS} {ticket}", text=_indented(message))
    return Answer(status=HTTPStatus.CREATED, headers=_JSON, body=orjson.dumps({"key": ticket}))


def _object(body: bytes) -> dict[str, object]:
    """Return the JSON object in a body; empty where there is none."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _indented(message: dict[str, object]) -> str:
    return orjson.dumps(message, option=orjson.OPT_INDENT_2).decode()
