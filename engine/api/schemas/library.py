"""Bodies, forms and queries of indexes, tasks and videos."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from engine.api.schemas.base import Body, FilePart, IndexOption, PageLimit, Text, missing
from engine.service import EngineSpec

EngineName = Literal["marengo2", "marengo2.5", "marengo2.6", "pegasus1", "pegasus1.1"]
DEFAULT_ENGINE: EngineName = "marengo2.6"
PEGASUS_OPTIONS = {"visual", "conversation"}
# Fields of a video that clients cannot set.
OWN_FIELDS = {"filename", "video_title", "duration", "fps", "width", "height", "size"}
Key = Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,100}$")]


class EngineBody(Body):
    """One entry of `engines` in v1.2."""

    engine_name: EngineName = DEFAULT_ENGINE
    engine_options: list[IndexOption] = Field(min_length=1)

    @model_validator(mode="after")
    def _options_of_its_family(self) -> EngineBody:
        others = set(self.engine_options) - PEGASUS_OPTIONS
        if self.engine_name.startswith("pegasus") and others:
            raise ValueError("Pegasus engines have the options visual and conversation")
        return self


class CreateIndexBody(Body):
    """`POST /indexes`: v1.2's `engines`, or v1.1's `engine_id` and `index_options`."""

    index_name: Text
    engines: list[EngineBody] | None = Field(default=None, min_length=1, max_length=2)
    engine_id: EngineName | None = None
    index_options: list[IndexOption] | None = Field(default=None, min_length=1)
    addons: list[Literal["thumbnail"]] | None = None

    @model_validator(mode="after")
    def _one_version(self) -> CreateIndexBody:
        if (self.engines is None) == (self.index_options is None):
            raise ValueError("Give either engines (v1.2) or engine_id and index_options (v1.1)")
        if len({each.name for each in self.specs}) < len(self.specs):
            raise ValueError("Give each engine once")
        return self

    @property
    def specs(self) -> list[EngineSpec]:
        """The engines of either version, with each option once."""
        if self.engines is None:
            options = tuple(dict.fromkeys(self.index_options or []))
            return [EngineSpec(self.engine_id or DEFAULT_ENGINE, options)]
        return [
            EngineSpec(each.engine_name, tuple(dict.fromkeys(each.engine_options)))
            for each in self.engines
        ]


class RenameIndexBody(Body):
    """`PUT /indexes/{index_id}`."""

    index_name: Text


class CreateTaskForm(Body):
    """`POST /tasks`: a file or the URL of one, optionally with its transcript."""

    index_id: Text
    video_file: FilePart | None = None
    video_url: Text | None = None
    language: Literal["en"] = "en"
    provide_transcription: bool = False
    transcription_file: FilePart | None = None
    transcription_url: Text | None = None
    disable_video_stream: bool = False

    @model_validator(mode="after")
    def _one_video_and_one_transcript(self) -> CreateTaskForm:
        if self.video_file is None and self.video_url is None:
            raise missing("video_file")
        if self.video_file and self.video_url:
            raise ValueError("Give either video_file or video_url")
        if self.transcription_file and self.transcription_url:
            raise ValueError("Give either transcription_file or transcription_url")
        given = bool(self.transcription_file or self.transcription_url)
        if self.provide_transcription and not given:
            raise missing("transcription_file")
        if given and not self.provide_transcription:
            raise ValueError("A transcription needs provide_transcription=true")
        return self


class UpdateVideoBody(Body):
    """`PUT /indexes/{index_id}/videos/{video_id}`; a custom field set to null is removed."""

    video_title: Text | None = None
    metadata: dict[Key, str | bool | int | float | None] = Field(default={}, max_length=100)

    @field_validator("metadata")
    @classmethod
    def _custom_fields_only(cls, metadata: dict[str, object]) -> dict[str, object]:
        own = OWN_FIELDS & metadata.keys()
        if own:
            raise ValueError(
                f"{', '.join(sorted(own))} cannot be set: it belongs to the video itself"
            )
        for name, value in metadata.items():
            if isinstance(value, int) and abs(value) >= 2**63:
                raise ValueError(f"{name} is beyond 64 bits: send it as text")
        return metadata


class ListQuery(Body):
    """Page and order of a list."""

    page: int = Field(default=1, ge=1, le=2**31)
    page_limit: PageLimit = 10
    sort_by: Literal["created_at", "updated_at"] = "created_at"
    sort_option: Literal["asc", "desc"] = "desc"


class TaskCountsQuery(Body):
    """`GET /tasks/status`."""

    index_id: Text


class VideoQuery(Body):
    """`GET /indexes/{index_id}/videos/{video_id}`."""

    embed: bool = False


class SpanQuery(Body):
    """A part of a video, in seconds; all of it by default."""

    start: float | None = Field(default=None, ge=0)
    end: float | None = Field(default=None, ge=0)


class TimeQuery(Body):
    """A time in a video, in seconds; its middle by default."""

    time: float | None = Field(default=None, ge=0)
