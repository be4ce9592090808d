"""What CLIP and SigLIP want to see: pictures and prompts made ready as a model's own files say.

The rules are those of the reference implementation (transformers: the Pillow image processors and
the tokenisers of both families), read from preprocessor_config.json, config.json, tokenizer.json
and tokenizer_config.json.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from tokenizers import Tokenizer

from engine.models.json_values import JsonValues, read_values
from engine.models.store import ModelError

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

PREPROCESSOR = "preprocessor_config.json"
# transformers' CLIPTextConfig and SiglipTextConfig; config files leave out what equals them
TEXT_LENGTHS = {"clip": 77, "siglip": 64}
# Tokenisers without a limit write a number beyond all lengths.
NO_LENGTH = 10_000
LONGEST_SIDE = 4096
LEAST_DEVIATION = 1e-6
NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class PictureRules:
    """How a picture becomes the network's input.

    It is resized so that its short side is `short_side`, or squashed to `size` (width, height);
    then the middle `crop` (width, height) is cut out, if there is one: of a wide frame, CLIP does
    not see the left and right ends, and SigLIP sees all of it, narrowed. Then (scale * x - mean)
    / deviation.
    """

    short_side: int | None
    size: tuple[int, int]
    crop: tuple[int, int] | None
    resample: Image.Resampling
    scale: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def apply(self, picture: npt.NDArray[np.uint8]) -> FloatArray:
        """A picture uint8[h, w, 3] RGB of any size as float32[3, height, width]."""
        image = Image.fromarray(picture)
        image = image.resize(self._resized(image.size), self.resample)
        if self.crop:
            left, top = ((image.size[side] - self.crop[side]) // 2 for side in (0, 1))
            image = image.crop((left, top, left + self.crop[0], top + self.crop[1]))
        values = np.asarray(image, dtype=np.float32) * np.float32(self.scale)
        centred = (values - np.array(self.mean, np.float32)) / np.array(self.deviation, np.float32)
        return np.ascontiguousarray(centred.transpose(2, 0, 1))

    def _resized(self, size: tuple[int, int]) -> tuple[int, int]:
        if self.short_side is None:
            return self.size
        width, height = size
        long_side = int(self.short_side * max(size) / min(size))
        return (self.short_side, long_side) if width <= height else (long_side, self.short_side)


def read_picture_rules(folder: Path) -> PictureRules:
    """The rules in a model's preprocessor_config.json; raises ModelError for what is not known."""
    config = read_values(folder / PREPROCESSOR)
    size = _size(
        config, "size", ["shortest_edge"] if "crop_size" in config else ["width", "height"]
    )
    short_side = _side(size, "shortest_edge") if "shortest_edge" in size else None
    normalised = config.flag("do_normalize", True)
    cropped = config.flag("do_center_crop", False)
    resample = config.whole("resample", Image.Resampling.BICUBIC, most=max(Image.Resampling))
    return PictureRules(
        short_side=short_side,
        size=(0, 0) if short_side else _sides(size),
        crop=_sides(_size(config, "crop_size", ["width", "height"])) if cropped else None,
        resample=Image.Resampling(resample),
        scale=config.number("rescale_factor", 1 / 255, least=LEAST_DEVIATION, most=1),
        mean=config.numbers("image_mean", 3) if normalised else (0.0,) * 3,
        deviation=config.numbers("image_std", 3, least=LEAST_DEVIATION)
        if normalised
        else (1.0,) * 3,
    )


def _size(config: JsonValues, key: str, sides: list[str]) -> JsonValues:
    """The sides of a size; files written before the sides had names give one number for them."""
    given = config.raw(key)
    if isinstance(given, int):
        return JsonValues(config.path, dict.fromkeys(sides, given), f"{key}.")
    return config.section(key)


def _sides(size: JsonValues) -> tuple[int, int]:
    return _side(size, "width"), _side(size, "height")


def _side(size: JsonValues, name: str) -> int:
    return size.whole(name, least=1, most=LONGEST_SIDE)


class PromptTokens:
    """Prompts as the token ids that a family's text tower expects.

    CLIP looks at the tokens up to the first end mark and at nothing after it, so its prompts are
    not padded (unless the graph has a fixed length). SigLIP was trained on lower case, padded to
    its full length, and looks at the padding too.
    """

    def __init__(self, folder: Path, family: str, fixed_length: int | None) -> None:
        path = folder / "tokenizer.json"
        settings = folder / "tokenizer_config.json"
        config = read_values(settings) if settings.is_file() else JsonValues(settings, {})
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises no narrower type
            raise ModelError(f"{path} cannot be read: {error}") from error
        self._lower = config.flag("do_lower_case", False) or family == "siglip"
        self._canonical = (
            "tokenizer_class" in config and config.raw("tokenizer_class") == "SiglipTokenizer"
        )
        length = fixed_length or _text_length(folder, config, family)
        self._tokenizer.enable_truncation(length)
        if family == "siglip" or fixed_length:
            padding = self._padding(config, path)
            self._tokenizer.enable_padding(length=length, **padding)
        else:
            self._tokenizer.no_padding()

    def __call__(self, prompt: str) -> dict[str, IntArray]:
        """`input_ids` and `attention_mask` of one prompt, int64[1, length]."""
        text = prompt.lower() if self._lower else prompt
        if self._canonical:  # SiglipTokenizer.canonicalize_text
            text = re.sub(r"\s+", " ", text.translate(NO_PUNCTUATION)).strip()
        encoded = self._tokenizer.encode(text)
        return {
            "input_ids": np.array([encoded.ids], dtype=np.int64),
            "attention_mask": np.array([encoded.attention_mask], dtype=np.int64),
        }

    def _padding(self, config: JsonValues, path: Path) -> dict[str, Any]:
        """The padding token: the one the configuration names, else the one in the tokeniser."""
        token = (self._tokenizer.padding or {}).get("pad_token")
        if "pad_token" in config:
            is_object = isinstance(config.raw("pad_token"), dict)
            token = (
                config.section("pad_token").text("content")
                if is_object
                else config.text("pad_token")
            )
        identity = None if token is None else self._tokenizer.token_to_id(token)
        if identity is None:
            raise ModelError(
                f"{path} has no padding token {token!r}: tokenizer_config.json names it (pad_token)"
            )
        return {"pad_id": identity, "pad_token": token}


def _text_length(folder: Path, tokenizer_config: JsonValues, family: str) -> int:
    """How many tokens the text tower has places for."""
    usual = TEXT_LENGTHS[family]
    text_config = read_values(folder / "config.json").section("text_config")
    if "max_position_embeddings" in text_config:
        return text_config.whole("max_position_embeddings", least=1, most=NO_LENGTH)
    length = tokenizer_config.number("model_max_length", usual, least=1)
    return int(length) if length < NO_LENGTH else usual
