"""What a model has to do: one small protocol for each kind.

    vectors = models.visual.encode_frames(frames)
    lines = models.speech.transcribe(samples)

A model loads its weights on first use, once, and may be shared by threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engine.evidence import TextSpan
from engine.models.background import Background
from engine.models.calibration import Calibration

FloatArray = npt.NDArray[np.float32]


class VisualEncoder(Protocol):
    """Encodes frames and prompts as vectors that can be compared."""

    @property
    def name(self) -> str:
        """Identifies the model; vectors of models with different names are never compared."""

    @property
    def dimension(self) -> int:
        """Length of the vectors."""

    @property
    def agreement(self) -> float:
        """How far the prompts of a class have to agree, 0-1: see retrieval.segments.Classes."""

    @property
    def scores(self) -> str:
        """How its scores are computed, where they were not calibrated on videos; else empty."""

    def encode_frames(self, frames: Sequence[npt.NDArray[np.uint8]]) -> FloatArray:
        """Frames uint8[h, w, 3] RGB of any size to float32[n, dimension]."""

    def encode_prompts(self, prompts: Sequence[str]) -> FloatArray:
        """Prompts to float32[m, dimension]."""

    def pool(self, frame_vectors: FloatArray, first_frames: Sequence[int]) -> FloatArray:
        """One vector float32[w, k] for each pooling window, given its first frame."""

    @property
    def calibration(self) -> Calibration:
        """Turns similarity into scores."""

    def similarity(self, pooled: Sequence[FloatArray], prompt_vectors: FloatArray) -> FloatArray:
        """The similarity of each pooling window and each prompt, float32[all windows, m].

        `pooled` has a float32[w, k] for each video; one without windows may have any width.
        """


class SpeechRecogniser(Protocol):
    """Recognises speech as lines of text."""

    @property
    def name(self) -> str:
        """Identifies the model."""

    @property
    def language(self) -> str:
        """The only language that it knows, as ISO 639-2; "" if it knows many."""

    def transcribe(self, samples: FloatArray) -> list[TextSpan]:
        """Lines of mono sound float32[n] at 16 kHz; times in seconds from its start."""


class TextReader(Protocol):
    """Reads text in images (OCR)."""

    @property
    def name(self) -> str:
        """Identifies the model."""

    def read(self, image: npt.NDArray[np.uint8]) -> list[str]:
        """The lines of text in an image uint8[h, w, 3] RGB, top to bottom."""

    def follow(self) -> TextReader:
        """A reader for the frames of one video in order, which may skip what has not changed."""


class TextEncoder(Protocol):
    """Encodes texts as vectors whose dot product is their similarity in meaning."""

    @property
    def name(self) -> str:
        """Identifies the model."""

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors float32[n, d]; a text without words gives zeros."""

    def encode_prompts(self, prompts: Sequence[str]) -> FloatArray:
        """Prompts to float32[m, d]: the difference of each from the mean of the background pool."""

    def background(self) -> Background:
        """The background pool, in this encoder's space."""


@dataclass(frozen=True)
class Models:
    """One model for each kind of evidence, and one that compares texts."""

    visual: VisualEncoder
    speech: SpeechRecogniser
    reader: TextReader
    text: TextEncoder

    def names(self) -> dict[str, str]:
        """The name of the model behind each kind of evidence; stored with the evidence."""
        return {
            "visual": self.visual.name,
            "conversation": self.speech.name,
            "text_in_video": self.reader.name,
            "text": self.text.name,
        }
