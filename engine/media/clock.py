"""Times: a clock for each stream that starts at 0 and only runs forward, and a file's duration."""

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

SET_BACK_S = 1.0  # a clock that goes back by more has been restarted
JUMP_S = 10.0  # the same for going forward, in formats whose clock may be restarted
SAME_END_S = 0.25  # padded audio, and frames that an edit cuts short, end a little later
WILD_S = 60.0  # a time this far beyond the header's end, or from other times, is wrong


class Clock:
    """Shifts the times of one stream's packets so that they start at 0 and only run forward.

    A clock that is set back, jumps in a format where that is common, or runs far beyond the end of
    the file continues from where it was. A packet to be shown long before or after it is decoded is
    shown when it is decoded.

    Packets marked to be discarded are those that an edit list leaves out: they are decoded, because
    others refer to them, but never shown. Their times are before or after those of shown packets,
    so they say nothing about the clock.
    """

    def __init__(self, media: Media, stream: AnyStream) -> None:
        second = 1 / (stream.time_base or Fraction(1, av.time_base))
        self._tick_s = float(1 / second)
        self._shift = -round(media.origin * second)
        self._back = round(SET_BACK_S * second)
        self._jump = round(JUMP_S * second) if media.restarts else None
        self._wild = round(WILD_S * second)
        self._end = round(media.header_s * second) + self._wild if media.header_s else None
        self._next: int | None = None

    def settle(self, packet: AnyPacket) -> float:
        """Set the packet's times; returns the second at which it ends, 0 if it is not shown."""
        length = packet.duration or 0
        if packet.is_discard:
            packet.dts = None if packet.dts is None else packet.dts + self._shift
            packet.pts = None if packet.pts is None else packet.pts + self._shift
            return 0.0
        if packet.dts is not None:  # only these are in order
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
    """Seconds to the end of the last frame or audio, whatever the header says.

    `media` is the open file, at any position; it is read to its end.
    """
    measured_s = 0.0
    if media.header_s > TOLERANCE_S and not media.restarts:
        near_end_s = float(media.origin) + media.header_s - TOLERANCE_S
        with contextlib.suppress(av.error.FFmpegError):
            media.container.seek(int(near_end_s * av.time_base))
            measured_s = _measured_end_s(media)
    if measured_s <= 0:
        with opened(path) as again:  # not every format can be rewound
            measured_s = _measured_end_s(again)
    return agreed_s(measured_s, media.header_s)


def agreed_s(measured_s: float, header_s: float) -> float:
    """The end of the last packet, or the header's rounder number if it is nearly the same."""
    agree = abs(measured_s - header_s) <= SAME_END_S
    return header_s if header_s and agree else measured_s


def _measured_end_s(media: Media) -> float:
    """The end of the last packet from the current position on."""
    clocks = {stream.index: Clock(media, stream) for stream in media.streams}
    end_s, frames = 0.0, 0
    for packet in packets(media):
        frames += packet.stream_index == media.video.index
        end_s = max(end_s, clocks[packet.stream_index].settle(packet))
    return end_s or frames / media.rate  # a raw stream without times is played at the default rate
