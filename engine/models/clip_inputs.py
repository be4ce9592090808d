"""Preprocessing for CLIP and SigLIP: images and prompts become inputs as a model's files say.

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

from engine.models.encoder_files import (
    NO_LENGTH,
    EncoderConfig,
    PreprocessorConfig,
    TokenizerConfig,
    read_tokenizer_config,
)
from engine.models.store import ModelError, read_json

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

# transformers' CLIPTextConfig and SiglipTextConfig; files leave out values that equal them.
TEXT_LENGTHS = {"clip": 77, "siglip": 64}
NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class ImageRules:
    """How an image becomes the network's input.

    It is resized so that its short side is `short_side`, or squeezed to `size` (width, height).
    Then its middle is cut out if there is a `crop` (width, height): CLIP does not see the left and
    right ends of a wide frame, while SigLIP sees all of it, narrowed. The values become (scale * x
    - mean) / deviation.
    """

    short_side: int | None
    size: tuple[int, int]
    crop: tuple[int, int] | None
    resample: Image.Resampling
    scale: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def apply(self, pixels: npt.NDArray[np.uint8]) -> FloatArray:
        """An image uint8[h, w, 3] RGB of any size as float32[3, height, width]."""
        image = Image.fromarray(pixels)
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


def read_image_rules(folder: Path) -> ImageRules:
    """The rules in a model's preprocessor_config.json; raises ModelError for wrong values."""
    config = read_json(folder / "preprocessor_config.json", PreprocessorConfig)
    size, crop = config.size, config.crop_size
    return ImageRules(
        short_side=size.shortest_edge,
        size=(size.width or 0, size.height or 0),
        crop=(crop.width, crop.height) if crop and config.do_center_crop else None,
        resample=Image.Resampling(config.resample),
        scale=config.rescale_factor,
        mean=tuple(config.image_mean or ()) if config.do_normalize else (0.0,) * 3,
        deviation=tuple(config.image_std or ()) if config.do_normalize else (1.0,) * 3,
    )


class PromptTokens:
    """Prompts as the token ids that a family's text tower expects.

    CLIP ignores tokens after the first end token, so its prompts are not padded (unless the graph
    has a fixed length). SigLIP was trained on lower case and padded to its full length, and does
    not ignore the padding.
    """

    def __init__(self, folder: Path, family: str, fixed_length: int | None) -> None:
        path = folder / "tokenizer.json"
        config = read_tokenizer_config(folder)
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises no narrower type
            raise ModelError(f"{path} cannot be read: {error}") from error
        self._lower = config.do_lower_case or family == "siglip"
        self._canonical = config.tokenizer_class == "SiglipTokenizer"
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

    def _padding(self, config: TokenizerConfig, path: Path) -> dict[str, Any]:
        """The padding token that the configuration names, or else the tokeniser's own."""
        token = (self._tokenizer.padding or {}).get("pad_token")
        if config.pad_token is not None:
            token = config.pad_token.content
        identity = None if token is None else self._tokenizer.token_to_id(token)
        if identity is None:
            raise ModelError(
                f"{path} has no padding token {token!r}: tokenizer_config.json names it (pad_token)"
            )
        return {"pad_id": identity, "pad_token": token}


def _text_length(folder: Path, tokenizer_config: TokenizerConfig, family: str) -> int:
    """The greatest number of tokens that the text tower takes."""
    usual = TEXT_LENGTHS[family]
    places = read_json(folder / "config.json", EncoderConfig).text_config.max_position_embeddings
    if places is not None:
        return places
    length = tokenizer_config.model_max_length or usual
    return int(length) if length < NO_LENGTH else usual
