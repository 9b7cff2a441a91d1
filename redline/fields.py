"""The shapes of REST bodies: camelCase on the wire, JSON types taken at their word, unknown keys refused.

`"5"` is no number, `1` no boolean and `5` no text: what REST framework would coerce is refused, so that a client
learns of its mistake at once. Times go out as ISO 8601 UTC with `Z` and milliseconds, as in the events.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.validators import URLValidator
from rest_framework import serializers

MAX_NOTE = 4_000
MAX_URL = 500
MAX_WHOLE = 2**31 - 1


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


class CamelSerializer(serializers.Serializer[Any]):
    """Fields are declared in snake_case and stand on the wire in camelCase."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = {}
        for name, field in super().get_fields().items():
            if camel(name) != name and field.source is None:
                field.source = name
            fields[camel(name)] = field
        return fields


class Body(CamelSerializer):
    """A body or a part of one; a key that is not declared is an error of its own."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, Mapping) else ()
        if unknown:
            raise serializers.ValidationError({key[:100]: ["This key is not known here."] for key in unknown[:10]})
        if self.parent is not None and isinstance(data, Mapping):  # a change may leave out keys, but not of its parts
            missing = [name for name, field in self.fields.items() if field.required and name not in data]
            if missing:
                raise serializers.ValidationError(
                    {name: [self.fields[name].error_messages["required"]] for name in missing}
                )
        return super().to_internal_value(data)


class Text(serializers.CharField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Choice(serializers.ChoiceField):
    default_error_messages = {"invalid_choice": "Choose one of: {choices}."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", choices=", ".join(map(str, self.choices)))
        return data


class Flag(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=type(data).__name__)
        return data


class Whole(serializers.IntegerField):
    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_value", MAX_WHOLE)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class Milliseconds(serializers.FloatField):
    """A time as a browser measures it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_value=MAX_WHOLE, **kwargs)

    def to_internal_value(self, data: Any) -> float:
        if not isinstance(data, int | float) or isinstance(data, bool):
            self.fail("invalid")
        return float(min(data, MAX_WHOLE + 1))  # an integer may be larger than any float


class WebAddress(Text):
    """An http or https URL."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_URL, **kwargs)
        self.validators.append(URLValidator(schemes=["http", "https"]))


class Instant(serializers.DateTimeField):
    """A moment; without an offset it is taken as UTC."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)

    def to_representation(self, value: datetime | None) -> str | None:
        if value is None:
            return None
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Note(Text):
    """What somebody says about a step; may be left out."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "default": "", "allow_blank": True, "max_length": MAX_NOTE, **kwargs})
