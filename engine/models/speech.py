"""Recognises English speech: Moonshine tiny, from the wheel of moonshine-voice."""

from __future__ import annotations

from threading import Lock

import numpy as np
import numpy.typing as npt
from moonshine_voice import ModelArch, Transcriber, get_model_path

from engine.evidence import TextSpan
from engine.models.lazy import Lazy

FloatArray = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000
# The library's voice detector carries its state from one sound to the next, even of another video.
# Three seconds of silence reset it, but for a step or two of 32 ms.
LEAD_IN_S = 3.0


class MoonshineRecogniser:
    """Lines of speech with times; silence, noise and music give none.

    The library has its own voice detector. It works on one sound at a time, with one thread for
    each processor, so callers wait for each other.
    """

    name = "moonshine-tiny-en-0.0.73"
    language = "eng"

    def __init__(self) -> None:
        self._transcriber = Lazy(_load)
        self._lock = Lock()

    def transcribe(self, samples: FloatArray) -> list[TextSpan]:
        """Lines of mono sound float32[n] at 16 kHz; times in seconds from its start."""
        sound = np.concatenate([np.zeros(int(LEAD_IN_S * SAMPLE_RATE), np.float32), samples])
        length_s = len(samples) / SAMPLE_RATE
        with self._lock:
            heard = self._transcriber().transcribe_without_streaming(sound.tolist(), SAMPLE_RATE)
        spans = []
        for line in heard.lines:
            start = min(max(line.start_time - LEAD_IN_S, 0.0), length_s)
            end = min(line.start_time - LEAD_IN_S + line.duration, length_s)
            if line.text.strip() and end > start:
                spans.append(TextSpan(start, end, line.text.strip()))
        return spans


def _load() -> Transcriber:
    return Transcriber(
        get_model_path("tiny-en"), ModelArch.TINY, options={"return_audio_data": "false"}
    )
