"""The transcript: passes a video's sound to the speech recogniser in chunks of bounded length.

A chunk ends in a quiet place, so that no word is cut in two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.evidence import TextSpan
from engine.media import SAMPLE_RATE, AudioBlock
from engine.models.protocols import SpeechRecogniser

Samples = npt.NDArray[np.float32]

CHUNK_S = 30.0
QUIET_SEARCH_S = 5.0
QUIET_WINDOW_S = 0.1
GAP_S = 0.5
SILENCE = 0.001  # of full scale: 60 dB below, where nothing can be understood


class Chunk(NamedTuple):
    """Sound float32[n] that starts at a time."""

    start_s: float
    samples: Samples


class Chunker:
    """Cuts blocks of sound into chunks for the recogniser."""

    def __init__(self) -> None:
        self._blocks: list[Samples] = []
        self._held = 0
        self._start_s = 0.0

    def add(self, block: AudioBlock) -> Iterator[Chunk]:
        """Take the next block; yields the chunks that it completes."""
        if abs(self._start_s + self._held / SAMPLE_RATE - block.start_s) > GAP_S:
            yield from self.finish()
            self._start_s = block.start_s
        self._blocks.append(block.samples)
        self._held += len(block.samples)
        most = int(CHUNK_S * SAMPLE_RATE)
        while self._held >= most:
            samples = np.concatenate(self._blocks)
            yield self._cut(samples, quiet_cut(samples[:most]))

    def finish(self) -> Iterator[Chunk]:
        """Yield the rest."""
        if self._held:
            samples = np.concatenate(self._blocks)
            yield self._cut(samples, len(samples))

    def _cut(self, samples: Samples, cut: int) -> Chunk:
        chunk = Chunk(self._start_s, samples[:cut])
        self._start_s += cut / SAMPLE_RATE
        self._blocks, self._held = [samples[cut:]], len(samples) - cut
        return chunk


class Transcript:
    """Collects the lines of one video, chunk by chunk."""

    def __init__(self, recogniser: SpeechRecogniser) -> None:
        self._recogniser = recogniser
        self._lines: list[TextSpan] = []

    def recognise(self, chunk: Chunk) -> None:
        """Recognise the next chunk, unless it is silent."""
        if np.abs(chunk.samples).max() < SILENCE:
            return
        self._lines += (
            TextSpan(chunk.start_s + line.start, chunk.start_s + line.end, line.text)
            for line in self._recogniser.transcribe(chunk.samples)
        )

    def spans(self, duration_s: float) -> tuple[TextSpan, ...]:
        """All lines in order, cut off at the end of the video."""
        return tuple(
            replace(line, end=min(line.end, duration_s))
            for line in self._lines
            if line.start < duration_s
        )


def quiet_cut(samples: Samples) -> int:
    """Where to cut float32[n] at 16 kHz so that no word is split: in the quietest late place."""
    window = int(QUIET_WINDOW_S * SAMPLE_RATE)
    late = samples[max(len(samples) - int(QUIET_SEARCH_S * SAMPLE_RATE), 0) :]
    count = len(late) // window
    if count < 2:
        return len(samples)
    energy = np.square(late[: count * window].reshape(count, window)).mean(axis=1)
    quietest = count - 1 - int(np.argmin(energy[::-1]))
    return len(samples) - len(late) + quietest * window + window // 2
