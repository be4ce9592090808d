"""The JSON files in the folder of a CLIP or SigLIP encoder, with the rules for their values.

Defaults are those of the reference implementation (transformers), whose files leave out values that
equal them. Keys that the engine does not use are ignored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from PIL.Image import Resampling
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from engine.models.store import read_json

MAX_SIDE = 4096
# Tokenisers without a limit give a huge number as their limit.
NO_LENGTH = 10_000
MIN_DEVIATION = 1e-6
# A logarithm: the scale itself, written by mistake, is out of range.
MAX_LOG_SCALE = 10.0

Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Deviation = Annotated[float, Field(ge=MIN_DEVIATION)]


class Part(BaseModel):
    """A JSON object, or one within another."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, frozen=True)


def _missing(key: str) -> PydanticCustomError:
    return PydanticCustomError("missing", "Field required", {"field": key})


class TextSizes(Part):
    """`text_config` of config.json."""

    max_position_embeddings: int | None = Field(default=None, ge=1, le=NO_LENGTH)
    vocab_size: int = Field(default=32_000, ge=0)


class VisionSizes(Part):
    """`vision_config` of config.json."""

    hidden_size: int = Field(default=768, ge=0)
    patch_size: int = Field(default=16, ge=0)
    image_size: int = Field(default=224, ge=0)


class EncoderConfig(Part):
    """config.json of either family."""

    model_type: str
    text_config: TextSizes = TextSizes()


class SiglipConfig(EncoderConfig):
    """config.json of a SigLIP; `logit_scale` is the natural logarithm of the scale."""

    vision_config: VisionSizes = VisionSizes()
    logit_scale: float | None = Field(default=None, ge=-MAX_LOG_SCALE, le=MAX_LOG_SCALE)
    logit_bias: float | None = None

    @model_validator(mode="after")
    def _scale_and_bias_together(self) -> SiglipConfig:
        for key, value in (("logit_scale", self.logit_scale), ("logit_bias", self.logit_bias)):
            if value is None and (self.logit_scale, self.logit_bias) != (None, None):
                raise _missing(key)
        return self


class Box(Part):
    """Width and height in pixels."""

    width: Side
    height: Side


class Size(Part):
    """The shorter side in pixels, or width and height."""

    shortest_edge: Side | None = None
    width: Side | None = None
    height: Side | None = None

    @model_validator(mode="after")
    def _one_way_or_the_other(self) -> Size:
        if self.shortest_edge is None:
            for key, value in (("width", self.width), ("height", self.height)):
                if value is None:
                    raise _missing(key)
        return self


class PreprocessorConfig(Part):
    """preprocessor_config.json: how an image becomes the network's input."""

    size: Size
    crop_size: Box | None = None
    do_center_crop: bool = False
    do_normalize: bool = True
    resample: int = Field(default=Resampling.BICUBIC, ge=0, le=max(Resampling))
    rescale_factor: float = Field(default=1 / 255, ge=MIN_DEVIATION, le=1)
    image_mean: list[float] | None = Field(default=None, min_length=3, max_length=3)
    image_std: list[Deviation] | None = Field(default=None, min_length=3, max_length=3)

    @model_validator(mode="before")
    @classmethod
    def _name_the_sides(cls, given: Any) -> Any:
        """Older files give a single number without naming sides."""
        if not isinstance(given, dict):
            return given
        sides = ("shortest_edge",) if "crop_size" in given else ("width", "height")
        named = dict(given)
        for key, names in (("size", sides), ("crop_size", ("width", "height"))):
            if isinstance(named.get(key), int):
                named[key] = dict.fromkeys(names, named[key])
        return named

    @model_validator(mode="after")
    def _nothing_is_missing(self) -> PreprocessorConfig:
        if self.do_center_crop and self.crop_size is None:
            raise _missing("crop_size")
        for key, value in (("image_mean", self.image_mean), ("image_std", self.image_std)):
            if self.do_normalize and value is None:
                raise _missing(key)
        return self


class PadToken(Part):
    """The padding token; files give it as text or as an object."""

    content: str

    @model_validator(mode="before")
    @classmethod
    def _text_or_object(cls, given: Any) -> Any:
        return given if isinstance(given, dict) else {"content": given}


class TokenizerConfig(Part):
    """tokenizer_config.json."""

    tokenizer_class: str | None = None
    do_lower_case: bool = False
    model_max_length: float | None = Field(default=None, ge=1)
    pad_token: PadToken | None = None


def read_tokenizer_config(folder: Path) -> TokenizerConfig:
    """The file's settings; the defaults where a folder has none."""
    path = folder / "tokenizer_config.json"
    return read_json(path, TokenizerConfig) if path.is_file() else TokenizerConfig()
