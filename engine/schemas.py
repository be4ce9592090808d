"""The bodies that the API takes, checked field by field before the service sees them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from classification import Thresholds
from engine.service import ClassQuery, PlatformError

MAX_PROMPTS = 100
DEFAULT_ENGINE = "marengo2.6"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Option = Literal["visual", "conversation", "text_in_video"]
IndexOption = Literal["visual", "conversation", "text_in_video", "logo"]
ConversationOption = Literal["semantic", "exact_match"]
Score = Annotated[float, Field(ge=0, le=100)]


class Body(BaseModel):
    """A body; fields that the API does not know are refused and not passed over in silence."""

    model_config = ConfigDict(extra="forbid")


class EngineBody(Body):
    """One entry of `engines` in v1.2."""

    engine_name: Text = DEFAULT_ENGINE
    engine_options: list[IndexOption] = Field(min_length=1)


class CreateIndexBody(Body):
    """`POST /indexes` in both spellings: v1.2's `engines`, v1.1's `engine_id`, `index_options`."""

    index_name: Text
    engines: list[EngineBody] | None = Field(default=None, min_length=1)
    engine_id: Text | None = None
    index_options: list[IndexOption] | None = Field(default=None, min_length=1)
    addons: list[Literal["thumbnail"]] | None = None

    @model_validator(mode="after")
    def _one_spelling(self) -> CreateIndexBody:
        if (self.engines is None) == (self.index_options is None):
            raise ValueError("give either engines (v1.2) or engine_id and index_options (v1.1)")
        return self

    @property
    def engine_name(self) -> str:
        return self.engines[0].engine_name if self.engines else self.engine_id or DEFAULT_ENGINE

    @property
    def options(self) -> list[str]:
        """Options of all engines together, each once."""
        lists = [each.engine_options for each in self.engines or []] + [self.index_options or []]
        return list(dict.fromkeys(option for options in lists for option in options))


class RenameIndexBody(Body):
    """`PUT /indexes/{id}`."""

    index_name: Text


class ThresholdBody(Body):
    """The threshold object; any part may be given, the rest has the documented defaults."""

    min_video_score: Score = Thresholds.min_video_score
    min_clip_score: Score = Thresholds.min_clip_score
    min_duration_ratio: Annotated[float, Field(ge=0, le=1)] = Thresholds.min_duration_ratio


class ClassBody(Body):
    """One class; its own options win over the request's."""

    name: Text
    prompts: list[Text] = Field(min_length=1)
    options: list[Option] | None = Field(default=None, min_length=1)
    conversation_option: ConversationOption | None = None


class ClassifyBody(Body):
    """What both classify routes take."""

    classes: list[ClassBody] = Field(min_length=1)
    options: list[Option] = Field(min_length=1)
    conversation_option: ConversationOption = "semantic"
    threshold: ThresholdBody | Score | None = None
    include_clips: bool = False
    show_detailed_score: bool = False
    page_limit: Annotated[int, Field(ge=1, le=50)] = 10

    @model_validator(mode="after")
    def _few_prompts_and_own_names(self) -> ClassifyBody:
        prompts = sum(len(each.prompts) for each in self.classes)
        if prompts > MAX_PROMPTS:
            raise ValueError(f"{prompts} prompts in all; at most {MAX_PROMPTS} are taken")
        names = [each.name for each in self.classes]
        if len(set(names)) < len(names):
            raise ValueError("two classes have the same name")
        return self

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds in force; a bare number is the video score (v1.1.1)."""
        if isinstance(self.threshold, ThresholdBody):
            return Thresholds(**self.threshold.model_dump())
        if self.threshold is None:
            return Thresholds()
        return Thresholds(min_video_score=self.threshold)

    @property
    def queries(self) -> list[ClassQuery]:
        """The classes with the options in force for each."""
        return [
            ClassQuery(
                each.name,
                tuple(dict.fromkeys(each.prompts)),
                tuple(dict.fromkeys(each.options or self.options)),
                each.conversation_option or self.conversation_option,
            )
            for each in self.classes
        ]


class ClassifyIndexBody(ClassifyBody):
    """`POST /classify/bulk`."""

    index_id: Text


class ClassifyVideosBody(ClassifyBody):
    """`POST /classify`."""

    video_ids: list[Text] = Field(min_length=1)


def refusal(error: ValidationError) -> PlatformError:
    """The API's code and words for the first thing wrong with a body."""
    first = error.errors(include_url=False, include_context=False)[0]
    name = ".".join(str(part) for part in first["loc"]) or "body"
    codes = {"missing": "parameter_not_provided", "extra_forbidden": "parameter_unknown"}
    code = codes.get(first["type"], "parameter_invalid")
    told: dict[str, Any] = {
        "parameter_not_provided": f"The {name} parameter is required but was not provided.",
        "parameter_unknown": f"The {name} parameter is unknown: leave it out.",
    }
    message = first["msg"].removeprefix("Value error, ")
    return PlatformError(code, told.get(code, f"The {name} parameter is invalid. {message}."))
