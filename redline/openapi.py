"""What `/v1/openapi.json` says about the views: their bodies, answers and refusals, and how one signs in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

F = TypeVar("F", bound=Callable[..., Any])
Shape = type[serializers.Serializer[Any]]

REFUSALS = {
    400: "Malformed: ids, query or body; `details` says what.",
    401: "No valid credential.",
    403: "Not yours to see or to do, or not there.",
    409: "Not possible in the present state.",
    413: "The body is larger than 64 KiB.",
}


class ErrorShape(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()
    requestId = serializers.CharField()  # noqa: N815 - as on the wire
    details = serializers.DictField(required=False)


class EnvelopeShape(serializers.Serializer[Any]):
    error = ErrorShape()


class BearerToken(OpenApiAuthenticationExtension):
    target_class = "streaming.rest.StreamAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "An API token `rl_…`, or a JWT."}


class InlineChoice(OpenApiSerializerFieldExtension):
    """Choices stand where they are used: as components of their own they would need invented names."""

    target_class = "redline.fields.Choice"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.target.choices)}


def id_of(what: str, *, name: str = "id") -> OpenApiParameter:
    """Describe the id in a path."""
    return OpenApiParameter(name, str, OpenApiParameter.PATH, description=f"The id of {what}.")


def query(name: str, description: str, **kwargs: Any) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.QUERY, description=description, **kwargs)


def operation(
    name: str,
    summary: str,
    *,
    answers: Shape | None,
    status: int = 200,
    takes: Shape | None = None,
    refuses: Sequence[int] = (),
    parameters: Sequence[OpenApiParameter] = (),
    auth: Sequence[str] | None = None,
) -> Callable[[F], F]:
    """Describe one method of a view; `auth` where its class does not say how one signs in."""
    codes = sorted({401, 403, *refuses} | ({400, 413} if takes else set()) | ({400} if parameters else set()))
    responses: dict[int, Any] = {status: answers or OpenApiResponse(description="Done.")}
    responses |= {code: OpenApiResponse(EnvelopeShape, description=REFUSALS[code]) for code in codes}
    described: Callable[[F], F] = extend_schema(
        operation_id=name,
        summary=summary,
        description=summary,
        request=takes,
        responses=responses,
        parameters=list(parameters),
        auth=None if auth is None else [{name: []} for name in auth],
    )
    return described


def listing(name: str, summary: str, *, of: Shape, parameters: Sequence[OpenApiParameter] = ()) -> Callable[[F], F]:
    """Describe a GET that answers `{"results", "next"}`."""
    shape: Any = inline_serializer(
        name=f"{of.__name__}Page",
        fields={"results": of(many=True), "next": serializers.URLField(allow_null=True)},
    )
    pages = (query("cursor", "From `next`."), OpenApiParameter("limit", int, description="1 to 200; 50."))
    return operation(name, summary, answers=shape, parameters=(*pages, *parameters))
