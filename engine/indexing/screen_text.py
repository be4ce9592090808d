"""Text on the screen: decides which frames to read, and keeps what is read.

Reading a frame costs many times more than everything else that is done with it. A frame is read if
it differs somewhere from the last one read, but only so often that no caption is missed which stays
long enough for a viewer to read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.evidence import TextSpan
from engine.media import Frame
from engine.models.protocols import TextReader

FloatArray = npt.NDArray[np.float32]

# How often frames are read that change all the time: a caption of two seconds is not missed.
PACE_S = 2.0
# A cell of the miniature differs by at least this many grey levels of 255 when a letter changes;
# compression noise stays below.
CHANGED_CELL = 6.0
# A frame that differs by this much on average shows something else: it is read at once.
NEW_IMAGE = 24.0


class FrameToRead(NamedTuple):
    """An image uint8[h, w, 3] RGB, and the time at which its text appeared."""

    since_s: float
    image: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Sample:
    time_s: float
    image: npt.NDArray[np.uint8]
    miniature: FloatArray


class ScreenText:
    """Follows the frames of one video: decides which to read, and keeps their text."""

    def __init__(self, reader: TextReader) -> None:
        self._reader = reader.follow()
        self._last: _Sample | None = None
        self._skipped: _Sample | None = None
        self._readings: list[tuple[float, str]] = []

    def add(self, frame: Frame, miniature: FloatArray) -> Iterator[FrameToRead]:
        """Take the next frame; yields it if it is to be read.

        `miniature` is a small copy of it, float32[h, w] in grey levels of 255.
        """
        seen = _Sample(frame.time_s, frame.image, miniature)
        if self._last is not None:
            change = np.abs(miniature - self._last.miniature)
            if change.max() < CHANGED_CELL:
                self._skipped = None
                return
            if change.mean() < NEW_IMAGE and seen.time_s < self._last.time_s + PACE_S:
                self._skipped = seen
                return
        yield self._to_read(seen)

    def finish(self) -> Iterator[FrameToRead]:
        """Yield the last frame if it has changed and was skipped."""
        if self._skipped is not None:
            yield self._to_read(self._skipped)

    def read(self, frame: FrameToRead) -> None:
        """Read a frame; to be called in the order in which frames were yielded."""
        self._readings.append((frame.since_s, " ".join(self._reader.read(frame.image))))

    def spans(self, duration_s: float) -> tuple[TextSpan, ...]:
        """The texts, each lasting until the next one; equal neighbours are one span."""
        return _spans(self._readings, duration_s)

    def _to_read(self, seen: _Sample) -> FrameToRead:
        last, between, since_s = self._last, self._skipped, seen.time_s
        if last is not None and between is not None and _is_nearer(between, seen, last):
            since_s = between.time_s
        self._last, self._skipped = seen, None
        return FrameToRead(since_s, seen.image)


def _is_nearer(seen: _Sample, this: _Sample, that: _Sample) -> bool:
    """Whether a frame is more like `this` than like `that`, judged where those two differ."""
    difference = this.miniature - that.miniature
    way = np.vdot(seen.miniature - that.miniature, difference)
    return bool(way > np.vdot(difference, difference) / 2)


def _spans(readings: Sequence[tuple[float, str]], duration_s: float) -> tuple[TextSpan, ...]:
    spans: list[TextSpan] = []
    ends = [*(start for start, _ in readings[1:]), duration_s]
    for (start, text), end in zip(readings, ends, strict=False):
        if spans and spans[-1].text == text and spans[-1].end == start:
            spans[-1] = TextSpan(spans[-1].start, end, text)
        elif text and end > start:
            spans.append(TextSpan(start, end, text))
    return tuple(spans)
