"""Decodes audio to mono at 16 kHz, with every sample at its time.

Channels are mixed so that no voice is lost: what is on one channel only, or on two in opposite
phase, is as loud in the mix as in its loudest channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

import av.error
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

from engine.media.files import DecodeReport
from engine.media.streams import is_encrypted

if TYPE_CHECKING:
    from engine.media.streams import AnyPacket

Samples: TypeAlias = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000  # Hz, for speech models
BLOCK_S = 15.0
MAX_SILENCE_S = 30.0  # a longer gap is not filled: the next block starts later
CANCELLED = 0.25  # channels cancel out if their mean is this much quieter than the loudest one
TOLERANCE_S = 0.1  # timestamps of audio drift by less than this


@dataclass(frozen=True)
class AudioBlock:
    """Audio float32[n], mono at 16 kHz in -1..1, which starts at `start_s`."""

    start_s: float
    samples: Samples


class AudioDecoder:
    """Decodes the audio stream to blocks; memory is bounded whatever times the file has."""

    def __init__(self, audio: AudioStream, report: DecodeReport) -> None:
        self._context = audio.codec_context
        self._tick_s = float(audio.time_base or Fraction(1, SAMPLE_RATE))
        self._report = report
        self._resampler: AudioResampler | None = None
        self._format: tuple[str, str, int] | None = None
        self._start_s: float | None = None
        self._chunks: list[Samples] = []
        self._length = 0

    def take(self, packet: AnyPacket | None) -> Iterator[AudioBlock]:
        """Take the next packet; yields the block that it completes, if any."""
        if packet is not None and is_encrypted(packet):
            self._report.broken_audio += 1
            return
        try:
            frames = self._context.decode(packet)
        except av.error.FFmpegError:
            self._report.broken_audio += 1
            return
        for frame in frames:
            if frame.samples and frame.sample_rate:
                yield from self._place(frame)
        if self._length >= BLOCK_S * SAMPLE_RATE:
            yield from self._flush()

    def finish(self) -> Iterator[AudioBlock]:
        yield from self.take(None)
        self._drain()
        yield from self._flush()

    def _place(self, frame: AudioFrame) -> Iterator[AudioBlock]:
        """Put a frame at its time: after silence, into a new block, or nowhere."""
        due_s = None if self._start_s is None else self._start_s + self._length / SAMPLE_RATE
        time_s = (due_s or 0.0) if frame.pts is None else frame.pts * self._tick_s
        if due_s is None:
            self._start_s = max(time_s, 0.0)
        elif time_s < due_s - TOLERANCE_S:
            return  # this part has been decoded already
        elif time_s > due_s + TOLERANCE_S:
            self._drain()
            if time_s - due_s <= MAX_SILENCE_S:
                self._add(np.zeros((1, round((time_s - due_s) * SAMPLE_RATE)), np.float32))
            else:
                yield from self._flush()
                self._start_s = time_s
        try:
            self._resample(frame)
        except (av.error.FFmpegError, ValueError):  # an unknown channel layout
            self._resampler = None
            self._report.broken_audio += 1

    def _resample(self, frame: AudioFrame) -> None:
        given = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or given != self._format:
            self._drain()
            self._resampler = AudioResampler("fltp", frame.layout, SAMPLE_RATE)
            self._format = given
        self._add_all(self._resampler.resample(frame))

    def _drain(self) -> None:
        if self._resampler is not None:
            self._add_all(self._resampler.resample(None))
            self._resampler = None

    def _add_all(self, frames: Sequence[AudioFrame | None]) -> None:
        for frame in frames:
            if frame is not None:
                self._add(frame.to_ndarray().astype(np.float32, copy=False))

    def _add(self, samples: Samples) -> None:
        self._chunks.append(samples)
        self._length += samples.shape[1]

    def _flush(self) -> Iterator[AudioBlock]:
        if self._length and self._start_s is not None:
            yield AudioBlock(self._start_s, np.concatenate([*map(mono, self._runs())]))
            self._start_s += self._length / SAMPLE_RATE
            self._chunks, self._length = [], 0

    def _runs(self) -> Iterator[Samples]:
        """The chunks, float32[channels, n], joined where they have the same number of channels."""
        for _, chunks in groupby(self._chunks, len):
            yield np.concatenate(list(chunks), axis=1)


def mono(channels: Samples) -> Samples:
    """Mix float32[channels, n] to float32[n] that is as loud as the loudest channel.

    The mix is the mean of the channels, or the loudest one if they cancel each other out.
    """
    loudness = np.sqrt(np.square(channels).mean(axis=1))
    loudest: Samples = channels[int(loudness.argmax())]
    mean: Samples = channels.mean(axis=0)
    share = float(np.sqrt(np.square(mean).mean()) / max(loudness.max(), np.finfo(np.float32).tiny))
    return loudest if share < CANCELLED else np.clip(mean / share, -1.0, 1.0)
