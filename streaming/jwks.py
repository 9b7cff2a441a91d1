"""The public keys of an issuer of tokens, as its JWKS document lists them: fetched beside the requests, never by one.

    keys = KeySet("https://issuer.example/.well-known/jwks.json")
    keys.find("kid")      a key, or None; begins a fetch where one is due, and returns at once
    keys.usable           whether there are any to look among
    keys.fetching         the fetch under way, for whoever can afford to wait for it

A fetch has a thread of its own and 3 s. It begins when the keys are 5 minutes old or an unknown one is asked for, and
never less than 30 s after the last began, whoever asks and however often. While the issuer is away the keys are used
until they are an hour old. Only signing keys for RS256 and ES256 are taken: a secret in the document is no key here,
nor is an RSA key of less than 2,048 bits. Redirects are not followed and proxies not asked.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import math
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlsplit

from jwt import PyJWK, PyJWTError

logger = logging.getLogger("streaming.jwks")

FRESH_SECONDS = 300.0
STALE_SECONDS = 3600.0
PAUSE_SECONDS = 30.0
FETCH_SECONDS = 3.0
MAX_BYTES = 262_144
MAX_KEYS = 100

Keys = Mapping[str, PyJWK]


class KeySet:
    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[Keys, float] = ({}, -math.inf)
        self._asked_at = -math.inf
        self.fetching: Future[None] | None = None

    @property
    def usable(self) -> bool:
        """Whether there are keys that are not too old: only then does one that is missing mean anything."""
        return self._clock() - self._known[1] <= STALE_SECONDS

    def find(self, kid: str) -> PyJWK | None:
        """Return the key of this id, if it is known and not too old."""
        now = self._clock()
        keys, fetched_at = self._known
        age = now - fetched_at
        key = keys.get(kid) if age <= STALE_SECONDS else None
        if key is None or age > FRESH_SECONDS:
            self._fetch(now)
        return key

    def _fetch(self, now: float) -> None:
        """Begin a fetch, unless one is under way or has begun too short a time ago."""
        with self._lock:
            if self.fetching is not None or now - self._asked_at < PAUSE_SECONDS:
                return
            self._asked_at = now
            done = Future[None]()
            done.set_running_or_notify_cancel()  # who stops waiting for it does not end it
            threading.Thread(target=self._run, args=(now, done), name="streaming-jwks", daemon=True).start()
            self.fetching = done

    def _run(self, begun: float, done: Future[None]) -> None:
        try:
            self._known = (read_keys(download(self._url)), begun)
        except Exception as error:
            logger.warning("cannot fetch the keys of the issuer of tokens: %s", error)
        with self._lock:
            self.fetching = None
        done.set_result(None)


def download(url: str) -> bytes:
    """Return the body behind a URL, at most 256 KiB, within 3 s in all; raises `OSError` or `HTTPException`."""
    begun = time.monotonic()
    target = urlsplit(url)
    connect = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    connection = connect(target.hostname or "", target.port, timeout=FETCH_SECONDS)
    connection.connect()
    # The time-out above is for each read; a host that drips bytes is cut off by this one. It has the socket itself,
    # which a response that ends with its connection takes away from `connection`.
    left = FETCH_SECONDS - (time.monotonic() - begun)
    cut = threading.Timer(max(0.0, left), _cut, [connection.sock])
    cut.daemon = True
    cut.start()
    try:
        path = f"{target.path or '/'}{'?' if target.query else ''}{target.query}"
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        body = response.read(MAX_BYTES + 1)
        if response.status != 200:
            raise OSError(f"it answers {response.status}")
        if len(body) > MAX_BYTES:
            raise OSError("its answer is too large")
        return body
    finally:
        cut.cancel()
        connection.close()


def _cut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def read_keys(body: bytes) -> Keys:
    """Return the keys of a JWKS document by id; raises `ValueError` where it is none. What is of no use is left out."""
    document = json.loads(body)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("the answer is no key set")
    keys = (_key(entry) for entry in entries[:MAX_KEYS])
    return {str(key.key_id): key for key in keys if key is not None}


def _key(entry: Any) -> PyJWK | None:
    """Return the key that an entry describes, bound to its one algorithm."""
    match entry:
        case {"kid": str(), "kty": "RSA"}:
            algorithm = "RS256"
        case {"kid": str(), "kty": "EC", "crv": "P-256"}:
            algorithm = "ES256"
        case _:
            return None
    if entry.get("alg", algorithm) != algorithm or entry.get("use", "sig") != "sig" or "d" in entry:
        return None
    try:
        key = PyJWK(entry, algorithm)
    except PyJWTError:
        return None
    return None if key.Algorithm.check_key_length(key.key) else key
