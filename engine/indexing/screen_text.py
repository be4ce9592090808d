"""What is written on the screen, and when: tells which pictures are worth reading.

Reading costs many times more than all else that is done with a picture. A picture is read when it
differs somewhere from the last one read, and then at a pace that still meets every caption long
enough to be read by a viewer.
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

# Pictures that change all the time are read so often: a caption that stands for two seconds is met.
PACE_S = 2.0
# Grey levels of 255 by which a cell of the miniature differs at least when a letter has changed;
# the noise of coding stays below.
CHANGED_CELL = 6.0
# By so much on average, the picture is another one: it is read at once.
NEW_PICTURE = 24.0


class Due(NamedTuple):
    """A picture to be read, uint8[h, w, 3] RGB, and since when its text has been there."""

    since_s: float
    image: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Seen:
    time_s: float
    image: npt.NDArray[np.uint8]
    miniature: FloatArray


class ScreenText:
    """Follows the pictures of one video: tells which are due, and keeps what is read off them."""

    def __init__(self, reader: TextReader) -> None:
        self._reader = reader.follow()
        self._last: _Seen | None = None
        self._passed_over: _Seen | None = None
        self._readings: list[tuple[float, str]] = []

    def add(self, frame: Frame, miniature: FloatArray) -> Iterator[Due]:
        """Take the next frame and give it back when it is due.

        `miniature` is a small copy of it, float32[h, w] in grey levels of 255.
        """
        seen = _Seen(frame.time_s, frame.image, miniature)
        if self._last is not None:
            change = np.abs(miniature - self._last.miniature)
            if change.max() < CHANGED_CELL:
                self._passed_over = None
                return
            if change.mean() < NEW_PICTURE and seen.time_s < self._last.time_s + PACE_S:
                self._passed_over = seen
                return
        yield self._due(seen)

    def finish(self) -> Iterator[Due]:
        """Give the last frame when it has changed and was not due yet."""
        if self._passed_over is not None:
            yield self._due(self._passed_over)

    def read(self, due: Due) -> None:
        """Read a picture that was due; in the order in which they were."""
        self._readings.append((due.since_s, " ".join(self._reader.read(due.image))))

    def spans(self, duration_s: float) -> tuple[TextSpan, ...]:
        """What was read, each reading lasting until the next; equal neighbours are one span."""
        return _spans(self._readings, duration_s)

    def _due(self, seen: _Seen) -> Due:
        last, between, since_s = self._last, self._passed_over, seen.time_s
        if last is not None and between is not None and _is_nearer(between, seen, last):
            since_s = between.time_s
        self._last, self._passed_over = seen, None
        return Due(since_s, seen.image)


def _is_nearer(seen: _Seen, this: _Seen, that: _Seen) -> bool:
    """Whether it looks more like this than like that, judged where those two differ."""
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
