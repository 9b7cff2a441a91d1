"""REST under `/api/v1/`: what browsers tell of their streams."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from redline.fields import Body, Choice, Instant, Milliseconds, Whole
from redline.openapi import operation
from redline.rest import View
from redline.workspaces import telemetry
from streaming.rest import BeaconAuthentication

MOST_RECORDS = 20


class RecordBody(Body):
    type = Choice(choices=telemetry.Kind.values)
    at = Instant()
    duration_ms = Milliseconds(required=False)
    attempts = Whole(required=False, min_value=0)


class Telemetry(View):
    """Takes one record or a list of them; `sendBeacon` cannot carry a CSRF token."""

    authentication_classes = (BeaconAuthentication,)
    max_body: ClassVar[int] = 4_096

    @operation(
        "tell",
        "What a browser has seen of its streams: one record, or up to 20.",
        answers=None,
        status=204,
        takes=RecordBody,
        auth=["bearer"],
    )
    def post(self, request: Request) -> Response:
        told = request.data if isinstance(request.data, list) else [request.data]
        if len(told) > MOST_RECORDS:
            raise exceptions.ValidationError(f"At most {MOST_RECORDS} records at once.")
        reader: Any = RecordBody(data=told, many=True)
        reader.is_valid(raise_exception=True)
        telemetry.take(
            telemetry.Record(
                kind=telemetry.Kind(one["type"]),
                duration_ms=one.get("duration_ms"),
                attempts=one.get("attempts"),
            )
            for one in reader.validated_data
        )
        return Response(status=204)
