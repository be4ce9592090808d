"""Recognises speech in many languages: Whisper, run by faster-whisper from a local folder.

The package is optional, and the weights are fetched beforehand (`python -m engine.models fetch
--repository Systran/faster-whisper-base`): nothing is downloaded while a video is indexed.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.evidence import TextSpan
from engine.models.lazy import Lazy
from engine.models.store import ModelError, label

FloatArray = npt.NDArray[np.float32]

REQUIREMENT = "faster-whisper==1.2.1"
WEIGHTS = "model.bin"
NEEDED = (WEIGHTS, "config.json", "tokenizer.json")


class WhisperRecogniser:
    """Lines of speech with times. Safe to call from several threads.

    The package's voice detector skips what is not speech. The language is detected anew in each
    sound.
    """

    language = ""

    def __init__(self, folder: Path, threads: int) -> None:
        """Check package and files; raises ModelError that says what to install or fetch."""
        require_package()
        for name in NEEDED:
            if not (folder / name).is_file():
                raise ModelError(
                    f"{folder} is not a Whisper model for faster-whisper: it has no {name}"
                )
        self.name = f"{label(folder, folder / WEIGHTS)} (whisper)"
        self._model = Lazy(lambda: _load(folder, threads))

    def check(self) -> None:
        """Load the weights; raises ModelError if a file is damaged."""
        self._model()

    def transcribe(self, samples: FloatArray) -> list[TextSpan]:
        """Lines of mono sound float32[n] at 16 kHz; times in seconds from its start."""
        segments, _ = self._model().transcribe(
            samples,
            beam_size=1,
            vad_filter=True,
            # with the previous line as context, Whisper tends to repeat itself
            condition_on_previous_text=False,
        )
        return [
            TextSpan(segment.start, segment.end, segment.text.strip())
            for segment in segments
            if segment.text.strip() and segment.end > segment.start
        ]


def require_package() -> None:
    """Raises ModelError if the optional package is missing."""
    if find_spec("faster_whisper") is None:
        raise ModelError(
            f"SPEECH_MODEL is Whisper, which needs another package: pip install {REQUIREMENT}"
        )


def _load(folder: Path, threads: int) -> Any:
    from faster_whisper import WhisperModel  # optional: __init__ checks that it is installed

    try:
        return WhisperModel(
            str(folder),
            device="cpu",
            compute_type="int8",
            cpu_threads=threads,
            local_files_only=True,
        )
    except Exception as error:  # its tokeniser's errors have no base of their own
        raise ModelError(f"{folder} cannot be loaded by faster-whisper: {error}") from error
