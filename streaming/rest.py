"""The streams' credentials for Django REST framework; the one module that needs it."""

from __future__ import annotations

from concurrent.futures import wait
from typing import Any

from rest_framework import authentication, exceptions
from rest_framework.request import Request

from streaming import conf, jwt, sequencer
from streaming.authentication import CHALLENGE, Identity, find, identify_many, kinds, note_use


class IssuerAway(exceptions.APIException):
    """Whether a token is good can be told when its issuer's keys can be had again."""

    status_code = 503
    default_detail = jwt.ISSUER_AWAY
    default_code = "stream-unavailable"
    wait = 3


class StreamAuthentication(authentication.BaseAuthentication):
    """The same credentials for Django REST framework; `request.auth` is the `Identity`.

    A session also needs the CSRF token for anything but reading, as with DRF's own session class.
    """

    def authenticate(self, request: Request) -> tuple[Any, Identity] | None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        credential = find(headers, request.query_params)
        if credential is None:
            return None
        fetch = jwt.pending(credential)
        if fetch is not None:
            wait([fetch], timeout=jwt.WAIT_SECONDS)
        if jwt.undecided(credential):
            raise IssuerAway
        identity = None if kinds()[credential.kind].streams_only else identify_many([credential])[0]
        if identity is None:
            if credential.cookie:
                return None
            raise exceptions.AuthenticationFailed("Sign in, or send a valid token.", code="unauthenticated")
        if credential.cookie:
            self.check_page(request)
        if not sequencer.is_serving():
            note_use()
        return identity.user, identity

    def check_page(self, request: Request) -> None:
        """Refuse what a foreign page sends with the user's cookie."""
        authentication.SessionAuthentication().enforce_csrf(request)

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE["WWW-Authenticate"]


class BeaconAuthentication(StreamAuthentication):
    """For what a page sends by `sendBeacon`, which carries no CSRF token: the browser itself says whose page it is."""

    def check_page(self, request: Request) -> None:
        listed = request.headers.get("Origin", "") in conf.streaming.STREAM_ALLOWED_ORIGINS
        if not listed and request.headers.get("Sec-Fetch-Site") != "same-origin":
            raise exceptions.PermissionDenied("This comes from no page of ours.")
