"""Times: one clock for each stream that starts at 0 and runs on, and how long a file lasts."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error

from engine.media.files import TOLERANCE_S
from engine.media.streams import AnyStream, Media, opened, packets

if TYPE_CHECKING:
    from engine.media.streams import AnyPacket

SET_BACK_S = 1.0  # a clock that goes back by more was restarted
JUMP_S = 10.0  # the same forwards, in formats whose clock may be restarted
SAME_END_S = 0.25  # padded sound, and pictures that an edit cuts short, end a little later
WILD_S = 60.0  # a time so far beyond the end in the header, or off other times, is not believed


class Clock:
    """Moves the times of one stream's packets so that they start at 0 and run on.

    A clock that is set back, jumps in a format where that is usual, or runs far beyond the end of
    the file is taken to go on from where it was. A packet to be shown long before or after it is
    decoded is shown when it is decoded.

    Packets marked to be discarded are what an edit list leaves out: they are decoded, because
    others refer to them, and never shown. Their times run back or ahead of what is shown, so they
    say nothing about the clock.
    """

    def __init__(self, media: Media, stream: AnyStream) -> None:
        second = 1 / (stream.time_base or Fraction(1, av.time_base))
        self._tick_s = float(1 / second)
        self._shift = -round(media.origin * second)
        self._back = round(SET_BACK_S * second)
        self._jump = round(JUMP_S * second) if media.restarts else None
        self._wild = round(WILD_S * second)
        self._end = round(media.promised_s * second) + self._wild if media.promised_s else None
        self._next: int | None = None

    def settle(self, packet: AnyPacket) -> float:
        """Set the packet's times; returns the second at which it ends, 0 where it is not shown."""
        length = packet.duration or 0
        if packet.is_discard:
            packet.dts = None if packet.dts is None else packet.dts + self._shift
            packet.pts = None if packet.pts is None else packet.pts + self._shift
            return 0.0
        if packet.dts is not None:  # only these come in order
            due, time = self._next or 0, packet.dts + self._shift
            if not self._is_plausible(time):
                self._shift += due - time
                time = due
            self._next = time + length
            packet.dts = time
        if packet.pts is not None:
            packet.pts += self._shift
            if packet.dts is not None and abs(packet.pts - packet.dts) > self._wild:
                packet.pts = packet.dts
        shown = packet.pts if packet.pts is not None else packet.dts
        return 0.0 if shown is None else (shown + length) * self._tick_s

    def _is_plausible(self, time: int) -> bool:
        if self._end is not None and time > self._end:
            return False
        if self._next is None:
            return time >= -self._wild
        return time >= self._next - self._back and (
            self._jump is None or time <= self._next + self._jump
        )


def duration_s(path: Path, media: Media) -> float:
    """Seconds to the end of the last picture or sound, whatever the header says.

    `media` is the same file, open; what was read of it does not matter, and it is read to its end.
    """
    measured_s = 0.0
    if media.promised_s > TOLERANCE_S and not media.restarts:
        near_end_s = float(media.origin) + media.promised_s - TOLERANCE_S
        with contextlib.suppress(av.error.FFmpegError):
            media.container.seek(int(near_end_s * av.time_base))
            measured_s = _measured_end_s(media)
    if measured_s <= 0:
        with opened(path) as again:  # not every format can be wound back
            measured_s = _measured_end_s(again)
    return agreed_s(measured_s, media.promised_s)


def agreed_s(measured_s: float, promised_s: float) -> float:
    """What the last packet says, or the header's round figure where both mean the same."""
    agree = abs(measured_s - promised_s) <= SAME_END_S
    return promised_s if promised_s and agree else measured_s


def _measured_end_s(media: Media) -> float:
    """Where the last of the packets yet to be read ends."""
    clocks = {stream.index: Clock(media, stream) for stream in media.streams}
    end_s, pictures = 0.0, 0
    for packet in packets(media):
        pictures += packet.stream_index == media.video.index
        end_s = max(end_s, clocks[packet.stream_index].settle(packet))
    return end_s or pictures / media.rate  # a bare stream, without times, plays at the usual rate
