"""Sound: decoded to mono at 16 kHz, every sample at its time.

Channels are mixed so that nobody's voice gets lost: what is on one channel only, or on two with
opposite phase, comes out as loud as the loudest channel has it.
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

SAMPLE_RATE = 16_000  # Hz, what speech models take
BLOCK_S = 15.0
LONGEST_SILENCE_S = 30.0  # a longer gap is not filled: the next block starts later
CANCELLED = 0.25  # a mean of channels so much quieter than the loudest one has lost something
TOLERANCE_S = 0.1  # timestamps of sound wander by less than this


@dataclass(frozen=True)
class AudioBlock:
    """Sound, float32[n] mono at 16 kHz in -1..1, from `start_s` on."""

    start_s: float
    samples: Samples


class Sound:
    """Decodes the sound stream to blocks; memory is bounded whatever the times in the file say."""

    def __init__(self, sound: AudioStream, report: DecodeReport) -> None:
        self._context = sound.codec_context
        self._tick_s = float(sound.time_base or Fraction(1, SAMPLE_RATE))
        self._report = report
        self._resampler: AudioResampler | None = None
        self._format: tuple[str, str, int] | None = None
        self._start_s: float | None = None
        self._chunks: list[Samples] = []
        self._length = 0

    def take(self, packet: AnyPacket | None) -> Iterator[AudioBlock]:
        """Give the block that this packet fills, if it does."""
        if packet is not None and is_encrypted(packet):
            self._report.broken_sound += 1
            return
        try:
            sounds = self._context.decode(packet)
        except av.error.FFmpegError:
            self._report.broken_sound += 1
            return
        for sound in sounds:
            if sound.samples and sound.sample_rate:
                yield from self._place(sound)
        if self._length >= BLOCK_S * SAMPLE_RATE:
            yield from self._flush()

    def finish(self) -> Iterator[AudioBlock]:
        yield from self.take(None)
        self._drain()
        yield from self._flush()

    def _place(self, sound: AudioFrame) -> Iterator[AudioBlock]:
        """Put a piece of sound at its time: after silence, in a new block, or nowhere."""
        due_s = None if self._start_s is None else self._start_s + self._length / SAMPLE_RATE
        time_s = (due_s or 0.0) if sound.pts is None else sound.pts * self._tick_s
        if due_s is None:
            self._start_s = max(time_s, 0.0)
        elif time_s < due_s - TOLERANCE_S:
            return  # this segment has been heard already
        elif time_s > due_s + TOLERANCE_S:
            self._drain()
            if time_s - due_s <= LONGEST_SILENCE_S:
                self._add(np.zeros((1, round((time_s - due_s) * SAMPLE_RATE)), np.float32))
            else:
                yield from self._flush()
                self._start_s = time_s
        try:
            self._resample(sound)
        except (av.error.FFmpegError, ValueError):  # a layout of channels that nobody knows
            self._resampler = None
            self._report.broken_sound += 1

    def _resample(self, sound: AudioFrame) -> None:
        given = (sound.format.name, sound.layout.name, sound.sample_rate)
        if self._resampler is None or given != self._format:
            self._drain()
            self._resampler = AudioResampler("fltp", sound.layout, SAMPLE_RATE)
            self._format = given
        self._add_all(self._resampler.resample(sound))

    def _drain(self) -> None:
        if self._resampler is not None:
            self._add_all(self._resampler.resample(None))
            self._resampler = None

    def _add_all(self, sounds: Sequence[AudioFrame | None]) -> None:
        for sound in sounds:
            if sound is not None:
                self._add(sound.to_ndarray().astype(np.float32, copy=False))

    def _add(self, samples: Samples) -> None:
        self._chunks.append(samples)
        self._length += samples.shape[1]

    def _flush(self) -> Iterator[AudioBlock]:
        if self._length and self._start_s is not None:
            yield AudioBlock(self._start_s, np.concatenate([*map(mono, self._runs())]))
            self._start_s += self._length / SAMPLE_RATE
            self._chunks, self._length = [], 0

    def _runs(self) -> Iterator[Samples]:
        """What is held, float32[channels, n], in runs of the same number of channels."""
        for _, chunks in groupby(self._chunks, len):
            yield np.concatenate(list(chunks), axis=1)


def mono(channels: Samples) -> Samples:
    """Mix float32[channels, n] to float32[n], as loud as the loudest channel.

    That is their mean, or where channels cancel each other out the loudest one.
    """
    loudness = np.sqrt(np.square(channels).mean(axis=1))
    loudest: Samples = channels[int(loudness.argmax())]
    mean: Samples = channels.mean(axis=0)
    share = float(np.sqrt(np.square(mean).mean()) / max(loudness.max(), np.finfo(np.float32).tiny))
    return loudest if share < CANCELLED else np.clip(mean / share, -1.0, 1.0)
