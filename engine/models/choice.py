"""Which models turn video into evidence.

    models = chosen_models(ModelChoice(visual="auto"), threads=2, check=True)

Models load on first use. `check` reads the files of those that are in a folder before that; what
comes in a wheel is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.settings import Settings
from engine.models.clip import ClipEncoder
from engine.models.imagenet import ImageNetEncoder
from engine.models.protocols import Models
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
