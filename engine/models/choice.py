"""Which models to use.

    models = chosen_models(ModelChoice(visual="auto"), threads=2, check=True)

Models load their weights on first use. `check` reads the files of a model in a folder before that;
models in a wheel need no check.
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
    repair,
    visual_folder,
    whisper_folder,
)
from engine.models.text_encoder import WordLlamaEncoder
from engine.models.text_reader import RapidTextReader
from engine.models.whisper import WhisperRecogniser, require_package


@dataclass(frozen=True)
class ModelChoice:
    """Which models to use; by default those that come in wheels.

    Attributes:
        visual: imagenet (in a wheel), auto (the model fetched last, or else imagenet), a folder
            with a CLIP or SigLIP encoder, or a fetched repository of the hub.
        visual_revision: the required revision of a fetched repository; main stands for any.
        speech: moonshine (in a wheel), or whisper: followed by a size, a folder or a repository.
        models_dir: folder of fetched models.
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
    """The chosen models; raises ModelError for one that cannot be used.

    Args:
        choice: which models.
        threads: processors that one call may use; 1 where several videos are indexed at once.
        check: read the files of models in a folder before their first use.
    """
    text = WordLlamaEncoder()
    return Models(
        visual=_visual_encoder(choice, threads, check) or ImageNetEncoder(text, threads),
        speech=_recogniser(choice, threads, check) or MoonshineRecogniser(),
        reader=RapidTextReader(threads),
        text=text,
    )


def _visual_encoder(choice: ModelChoice, threads: int, check: bool) -> ClipEncoder | None:
    folder = visual_folder(choice.visual, choice.visual_revision, choice.models_dir)
    if folder is None:
        return None
    with _named_by_setting("VISUAL_MODEL", choice.visual, folder):
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
    with _named_by_setting("SPEECH_MODEL", choice.speech, folder):
        recogniser = WhisperRecogniser(folder, threads)
        if check:
            recogniser.check()
    return recogniser


@contextmanager
def _named_by_setting(setting: str, value: str, folder: Path) -> Iterator[None]:
    """Add to an error which setting named the folder, and what to do about it."""
    try:
        yield
    except ModelError as error:
        reason = str(error).rstrip(". \n")
        raise ModelError(
            f"{setting}={value} cannot be used: {reason}. {repair(folder, setting)}."
        ) from error


def default_models(threads: int) -> Models:
    """The models that come in wheels; none needs the network."""
    return chosen_models(ModelChoice(), threads)
