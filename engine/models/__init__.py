"""The models that turn video into evidence, each behind a small protocol.

    models = default_models(threads=2)
    vectors = models.visual.encode_frames(frames)
    lines = models.speech.transcribe(samples)

Making them is cheap: each loads its weights on first use, once. All may be shared by threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engine.evidence import TextSpan
from engine.models.imagenet import ImageNetEncoder
from engine.models.speech import MoonshineRecogniser
from engine.models.text_encoder import WordLlamaEncoder
from engine.models.text_reader import RapidTextReader

FloatArray = npt.NDArray[np.float32]


class VisualEncoder(Protocol):
    """Pictures and prompts in one space."""

    @property
    def name(self) -> str:
        """Says which model made a vector; vectors of two names never meet."""

    @property
    def dimension(self) -> int:
        """Length of the vectors."""

    def encode_frames(self, frames: Sequence[npt.NDArray[np.uint8]]) -> FloatArray:
        """Pictures uint8[h, w, 3] RGB, of any size, to float32[n, dimension]."""

    def encode_prompts(self, prompts: Sequence[str]) -> FloatArray:
        """Texts to float32[m, dimension]."""

    def score(self, frame_vectors: FloatArray, prompt_vectors: FloatArray) -> FloatArray:
        """Chance in percent, float32[n, m], that each frame shows each prompt."""


class SpeechRecogniser(Protocol):
    """Sound to lines of text."""

    @property
    def name(self) -> str:
        """Says which model made a transcript."""

    def transcribe(self, samples: FloatArray) -> list[TextSpan]:
        """Mono sound float32[n] at 16 kHz to lines; times in seconds from its start."""


class TextReader(Protocol):
    """Pictures to the text on them."""

    @property
    def name(self) -> str:
        """Says which model read a text."""

    def read(self, image: npt.NDArray[np.uint8]) -> list[str]:
        """A picture uint8[h, w, 3] RGB to its lines, top to bottom."""


class TextEncoder(Protocol):
    """Texts to vectors whose dot product is their likeness in meaning."""

    @property
    def name(self) -> str:
        """Says which model made a vector."""

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors float32[n, d]; a text without words gives zeros."""


@dataclass(frozen=True)
class Models:
    """One model per kind of evidence, and the one that compares texts."""

    visual: VisualEncoder
    speech: SpeechRecogniser
    reader: TextReader
    text: TextEncoder

    def names(self) -> dict[str, str]:
        """Which model makes each kind of evidence; recorded with it."""
        return {
            "visual": self.visual.name,
            "conversation": self.speech.name,
            "text_in_video": self.reader.name,
            "text": self.text.name,
        }


def default_models(threads: int) -> Models:
    """The models that come inside their wheels; none needs the network.

    `threads` is what one call may use: with several videos side by side, 1 keeps them from
    taking each other's processors.
    """
    text = WordLlamaEncoder()
    return Models(
        visual=ImageNetEncoder(text, threads),
        speech=MoonshineRecogniser(),
        reader=RapidTextReader(threads),
        text=text,
    )
