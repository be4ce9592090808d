"""What all bodies, forms and queries share, and the error messages for invalid ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from engine.errors import PlatformError

MAX_PROMPTS = 100

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Option = Literal["visual", "conversation", "text_in_video"]
IndexOption = Literal["visual", "conversation", "text_in_video", "logo"]
ConversationOption = Literal["semantic", "exact_match"]
Word = Literal["high", "medium", "low", "none"]
Score = Annotated[float, Field(ge=0, le=100)]
PageLimit = Annotated[int, Field(ge=1, le=50)]


class Body(BaseModel):
    """A body, form or query; unknown fields are refused, and null counts as not given."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_given(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class FilePart:
    """A file from a form, and its name on the client's side."""

    path: Path
    filename: str

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "format": "binary"}


def missing(field: str) -> PydanticCustomError:
    """The error for a field that is required in combination with others."""
    return PydanticCustomError("missing", "Field required", {"field": field})


def refusal(error: ValidationError) -> PlatformError:
    """The API's code and a message for the first error in a body."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    name = name or str(first.get("ctx", {}).get("field", "body"))
    if first["type"] == "missing":
        return PlatformError(
            "parameter_not_provided", f"The {name} parameter is required but was not provided."
        )
    if first["type"] == "extra_forbidden":
        return PlatformError("parameter_unknown", f"The {name} parameter is unknown: leave it out.")
    message = first["msg"].removeprefix("Value error, ")
    return PlatformError("parameter_invalid", f"The {name} parameter is invalid. {message}.")
