"""Bodies of classification, in every form that the API has had since v1.1."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from core.classification import Thresholds
from engine.api.schemas.base import (
    MAX_PROMPTS,
    Body,
    ConversationOption,
    Option,
    PageLimit,
    Score,
    Text,
    Word,
    missing,
)
from engine.retrieval.classify import ClassQuery
from engine.retrieval.search import CONFIDENCE_SCORES


class ThresholdBody(Body):
    """The threshold object; the engine's defaults apply to what it leaves out."""

    min_video_score: Score | None = None
    min_clip_score: Score | None = None
    min_duration_ratio: Annotated[float, Field(ge=0, le=1)] | None = None


class ClassBody(Body):
    """A class; its own options override those of the request."""

    name: Text
    prompts: list[Text] = Field(min_length=1)
    options: list[Option] | None = Field(default=None, min_length=1)
    conversation_option: ConversationOption | None = None


class ClassifyBody(Body):
    """What both classify routes take: `classes`, which v1.1 called `labels`."""

    classes: list[ClassBody] | None = Field(default=None, min_length=1)
    labels: list[ClassBody] | None = Field(default=None, min_length=1)
    options: list[Option] = Field(min_length=1)
    conversation_option: ConversationOption = "semantic"
    threshold: ThresholdBody | Score | Word | None = None
    include_clips: bool = False
    show_detailed_score: bool = False
    page_limit: PageLimit = 10

    @model_validator(mode="after")
    def _limited_prompts_and_unique_names(self) -> ClassifyBody:
        if self.classes is not None and self.labels is not None:
            raise ValueError("Give either classes or labels")
        if not self.either_classes:
            raise missing("classes")
        prompts = sum(len(each.prompts) for each in self.either_classes)
        if prompts > MAX_PROMPTS:
            raise ValueError(f"{prompts} prompts in all; at most {MAX_PROMPTS} are taken")
        names = [each.name for each in self.either_classes]
        if len(set(names)) < len(names):
            raise ValueError("Two classes have the same name")
        return self

    @property
    def either_classes(self) -> list[ClassBody]:
        """The classes, under either name."""
        return self.classes or self.labels or []

    def thresholds(self, defaults: Thresholds) -> Thresholds:
        """The thresholds that apply.

        A number is the video score (v1.1.1). A word (v1.1) stands for its lowest score in search,
        for clips and videos alike.
        """
        given = self.threshold
        if given is None:
            return defaults
        if isinstance(given, str):
            return Thresholds(
                CONFIDENCE_SCORES[given], CONFIDENCE_SCORES[given], defaults.min_duration_ratio
            )
        if isinstance(given, ThresholdBody):
            return Thresholds(**{**vars(defaults), **given.model_dump(exclude_none=True)})
        return Thresholds(given, defaults.min_clip_score, defaults.min_duration_ratio)

    @property
    def queries(self) -> list[ClassQuery]:
        """The classes with the options that apply to each."""
        return [
            ClassQuery(
                each.name,
                tuple(dict.fromkeys(each.prompts)),
                tuple(dict.fromkeys(each.options or self.options)),
                each.conversation_option or self.conversation_option,
            )
            for each in self.either_classes
        ]


class ClassifyIndexBody(ClassifyBody):
    """`POST /classify/bulk`."""

    index_id: Text


class ClassifyVideosBody(ClassifyBody):
    """`POST /classify`: `video_ids`, or the one `video_id` of v1.1."""

    video_ids: list[Text] | None = Field(default=None, min_length=1)
    video_id: Text | None = None

    @model_validator(mode="after")
    def _some_videos(self) -> ClassifyVideosBody:
        if self.video_ids is not None and self.video_id is not None:
            raise ValueError("Give either video_ids or video_id")
        if not self.chosen:
            raise missing("video_ids")
        return self

    @property
    def chosen(self) -> list[str]:
        """The videos, under either name, each once."""
        return list(dict.fromkeys(self.video_ids or ([self.video_id] if self.video_id else [])))

    @property
    def one_video_labels(self) -> bool:
        """Whether this is v1.1's request for the labels of a single video."""
        return self.labels is not None and self.video_id is not None
