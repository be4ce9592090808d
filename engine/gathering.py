"""One video from bytes to evidence: a pure job, the same whatever executor runs it.

The file is decoded once. Sampled frames go to the visual encoder in batches and, where the picture
has changed, to the text reader; the sound goes to the speech recogniser in pieces cut where it is
quiet. Beyond the evidence itself nothing is held that grows with the length of the video.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engine import media
from engine.evidence import Evidence, TextSpan
from engine.models import Models

STEP_S = 1.0
BATCH_FRAMES = 16
PIECE_S = 30.0
QUIET_SEARCH_S = 5.0
QUIET_WINDOW_S = 0.1
GAP_S = 0.5
# Mean difference of two frames' thumbnails, in grey levels of 255.
SCENE_DIFFERENCE = 24.0
TEXT_DIFFERENCE = 2.0
MAX_THUMBNAILS = 100
THUMBNAIL_SIDE = 320


def build_evidence(
    path: Path,
    info: media.MediaInfo,
    models: Models,
    on_progress: Callable[[float], None] = lambda share: None,
) -> Evidence:
    """Look at, listen to and read one video.

    `on_progress` is told the share that is done, 0-1. Raises MediaError where nothing of the
    picture can be decoded; missing sound, speech or text is a result and not an error.
    """
    pictures = _Pictures(models, every_s=max(info.duration_s / MAX_THUMBNAILS, STEP_S))
    speech = _Speech(models)
    for item in media.decode(path, step_s=STEP_S, audio=info.has_audio):
        if isinstance(item, media.Frame):
            pictures.add(item)
            on_progress(min(item.time_s / info.duration_s, 1.0))
        else:
            speech.add(item)
    return Evidence(
        duration_s=info.duration_s,
        frame_times=np.array(pictures.times, dtype=np.float32),
        frame_vectors=pictures.vectors(),
        scene_starts=np.array(pictures.scene_starts, dtype=np.float32),
        transcript=speech.lines(info.duration_s),
        screen_text=pictures.screen_text(info.duration_s),
        thumbnail_times=np.array(pictures.thumbnail_times, dtype=np.float32),
        thumbnails=tuple(pictures.thumbnails),
        models=models.names(),
    )


@dataclass
class _Pictures:
    """Gathers what the sampled frames show, batch by batch."""

    models: Models
    every_s: float
    times: list[float] = field(default_factory=list)
    scene_starts: list[float] = field(default_factory=list)
    thumbnail_times: list[float] = field(default_factory=list)
    thumbnails: list[bytes] = field(default_factory=list)
    _batch: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    _vectors: list[npt.NDArray[np.float16]] = field(default_factory=list)
    _readings: list[tuple[float, str]] = field(default_factory=list)
    _last_seen: npt.NDArray[np.float32] | None = None
    _last_read: npt.NDArray[np.float32] | None = None

    def add(self, frame: media.Frame) -> None:
        self.times.append(frame.time_s)
        small = _thumbprint(frame.image)
        if _difference(small, self._last_seen) >= SCENE_DIFFERENCE:
            self.scene_starts.append(frame.time_s)
        self._last_seen = small
        if _difference(small, self._last_read) >= TEXT_DIFFERENCE:
            text = " ".join(self.models.reader.read(frame.image))
            self._readings.append((frame.time_s, text))
            self._last_read = small
        if not self.thumbnail_times or frame.time_s >= self.thumbnail_times[-1] + self.every_s:
            self.thumbnail_times.append(frame.time_s)
            self.thumbnails.append(media.jpeg(frame.image, THUMBNAIL_SIDE))
        self._batch.append(frame.image)
        if len(self._batch) == BATCH_FRAMES:
            self._encode()

    def vectors(self) -> npt.NDArray[np.float16]:
        """Vectors of all frames, float16[n, d]."""
        if self._batch:
            self._encode()
        return np.concatenate(self._vectors)

    def screen_text(self, duration_s: float) -> tuple[TextSpan, ...]:
        """What was read, each reading lasting until the next; equal neighbours are one span."""
        spans: list[TextSpan] = []
        ends = [time for time, _ in self._readings[1:]] + [duration_s]
        for (start, text), end in zip(self._readings, ends, strict=True):
            if spans and spans[-1].text == text and spans[-1].end == start:
                spans[-1] = replace(spans[-1], end=end)
            elif text:
                spans.append(TextSpan(start, end, text))
        return tuple(spans)

    def _encode(self) -> None:
        vectors = self.models.visual.encode_frames(self._batch)
        self._vectors.append(vectors.astype(np.float16))
        self._batch.clear()


@dataclass
class _Speech:
    """Gathers what is said; the recogniser gets pieces of bounded length."""

    models: Models
    _blocks: list[npt.NDArray[np.float32]] = field(default_factory=list)
    _held: int = 0
    _start_s: float = 0.0
    _lines: list[TextSpan] = field(default_factory=list)

    def add(self, block: media.AudioBlock) -> None:
        if abs(self._start_s + self._held / media.SAMPLE_RATE - block.start_s) > GAP_S:
            self._flush()
            self._start_s = block.start_s
        self._blocks.append(block.samples)
        self._held += len(block.samples)
        while self._held >= PIECE_S * media.SAMPLE_RATE:
            samples = np.concatenate(self._blocks)
            self._recognise(samples, quiet_cut(samples[: int(PIECE_S * media.SAMPLE_RATE)]))

    def lines(self, duration_s: float) -> tuple[TextSpan, ...]:
        """Every line heard, in order, none beyond the end of the video."""
        self._flush()
        return tuple(
            replace(line, end=min(line.end, duration_s))
            for line in self._lines
            if line.start < duration_s
        )

    def _flush(self) -> None:
        if self._held:
            samples = np.concatenate(self._blocks)
            self._recognise(samples, len(samples))

    def _recognise(self, samples: npt.NDArray[np.float32], cut: int) -> None:
        """Recognise the samples before `cut` and keep the rest for the next piece."""
        self._lines += (
            TextSpan(self._start_s + line.start, self._start_s + line.end, line.text)
            for line in self.models.speech.transcribe(samples[:cut])
        )
        self._start_s += cut / media.SAMPLE_RATE
        self._blocks = [samples[cut:]]
        self._held = len(samples) - cut


def quiet_cut(samples: npt.NDArray[np.float32]) -> int:
    """Where to cut float32[n] at 16 kHz so that no word is split: its quietest late moment."""
    window = int(QUIET_WINDOW_S * media.SAMPLE_RATE)
    late = samples[max(len(samples) - int(QUIET_SEARCH_S * media.SAMPLE_RATE), 0) :]
    count = len(late) // window
    if count < 2:
        return len(samples)
    energy = np.square(late[: count * window].reshape(count, window)).mean(axis=1)
    quietest = count - 1 - int(np.argmin(energy[::-1]))
    return len(samples) - len(late) + quietest * window + window // 2


def _thumbprint(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """A 32 x 18 grey miniature: enough to see that a picture has changed."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)


def _difference(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32] | None) -> float:
    return float("inf") if other is None else float(np.abs(one - other).mean())
