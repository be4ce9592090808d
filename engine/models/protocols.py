"""What is asked of a model, one small protocol for each kind.

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
    """Pictures and prompts in one space."""

    @property
    def name(self) -> str:
        """Says which model made a vector; vectors of two names never meet."""

    @property
    def dimension(self) -> int:
        """Length of the vectors."""

    @property
    def agreement(self) -> float:
        """How far the other prompts of a class have to confirm one of them, 0-1."""

    @property
    def scores(self) -> str:
        """How its scores are made, in words, where nobody measured how often they are right."""

    def encode_frames(self, frames: Sequence[npt.NDArray[np.uint8]]) -> FloatArray:
        """Pictures uint8[h, w, 3] RGB, of any size, to float32[n, dimension]."""

    def encode_prompts(self, prompts: Sequence[str]) -> FloatArray:
        """Texts to float32[m, dimension]."""

    def pool(self, frame_vectors: FloatArray, firsts: Sequence[int]) -> FloatArray:
        """One vector float32[s, k] for the frames from each of `firsts` to the next."""

    @property
    def calibration(self) -> Calibration:
        """What its similarity is worth."""

    def similarity(self, pooled: Sequence[FloatArray], prompt_vectors: FloatArray) -> FloatArray:
        """How far each prompt stands out in what was pooled, float32[all rows, m].

        `pooled` float32[s, k] are of several videos; those of one without rows are of any width.
        """


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

    def follow(self) -> TextReader:
        """A reader for the pictures of one video in turn; what stays need not be read again."""


class TextEncoder(Protocol):
    """Texts to vectors whose dot product is their similarity in meaning."""

    @property
    def name(self) -> str:
        """Says which model made a vector."""

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors float32[n, d]; a text without words gives zeros."""

    def encode_prompts(self, prompts: Sequence[str]) -> FloatArray:
        """Prompts to float32[m, d]: how each differs from the pool's mean."""

    def background(self) -> Background:
        """The pool that every prompt is measured against."""


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
