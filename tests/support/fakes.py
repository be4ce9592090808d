"""Quick models for tests of everything around the models: they see numbers and hear beeps.

The visual one knows two prompts of the videos that tests.support.media writes: "early" are the
pictures with numbers below 60, "late" the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.evidence import TextSpan
from engine.models.background import Background, read_background
from engine.models.calibration import LOG_ODDS
from engine.models.prompts import products
from engine.models.protocols import Models
from tests.support.media import beeps, number_of

FloatArray = npt.NDArray[np.float32]

FIRST_LATE = 60


class NumberEncoder:
    """Tells early pictures from late ones."""

    name = "numbers-1"
    dimension = 2
    agreement = 0.0
    calibration = LOG_ODDS
    scores = ""

    def encode_frames(self, frames: Sequence[npt.NDArray[np.uint8]]) -> FloatArray:
        late = [number_of(frame) >= FIRST_LATE for frame in frames]
        return np.array([[not each, each] for each in late], dtype=np.float32).reshape(-1, 2)

    def encode_prompts(self, prompts: Sequence[str]) -> FloatArray:
        return np.array([[word in prompt for word in ("early", "late")] for prompt in prompts], "f")

    def pool(self, frame_vectors: FloatArray, first_frames: Sequence[int]) -> FloatArray:
        counts = np.diff([*first_frames, len(frame_vectors)])
        return np.add.reduceat(frame_vectors, first_frames, axis=0) / counts[:, None]

    def similarity(self, pooled: Sequence[FloatArray], prompt_vectors: FloatArray) -> FloatArray:
        return LOG_ODDS.similarity_at(90 * products(pooled, prompt_vectors))


class BeepRecogniser:
    """Writes "beep" where one starts."""

    name = "beeps-1"

    language = ""

    def transcribe(self, samples: FloatArray) -> list[TextSpan]:
        return [TextSpan(time, time + 0.1, "beep") for time in beeps(samples)]


class BlindReader:
    """Reads nothing."""

    name = "blind-1"

    def read(self, image: npt.NDArray[np.uint8]) -> list[str]:
        return []

    def follow(self) -> BlindReader:
        return self


class WordEncoder:
    """Texts are alike when one says "beep" as the other does."""

    name = "words-1"

    def encode(self, texts: Sequence[str]) -> FloatArray:
        return np.array([["beep" in text, "beep" not in text] for text in texts], "f").reshape(
            -1, 2
        )

    def encode_prompts(self, prompts: Sequence[str]) -> FloatArray:
        return self.encode(prompts) - self.background().mean

    def background(self) -> Background:
        return read_background(self.encode)


def quick_models() -> Models:
    """One of each."""
    return Models(NumberEncoder(), BeepRecogniser(), BlindReader(), WordEncoder())
