"""Decodes sampled frames, and as few others as possible, to upright RGB."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from engine.media.files import DecodeReport, MediaError
from engine.media.hdr import is_hdr, tone_mapped
from engine.media.streams import Media, decoded, opened, packets, remaining

if TYPE_CHECKING:
    from engine.media.streams import AnyPacket

Pixels: TypeAlias = npt.NDArray[np.uint8]
# How far right and down on the screen one step right, then one step down, in a frame leads.
Matrix: TypeAlias = tuple[int, int, int, int]

MAX_BROKEN = 1000  # decoding stops when more frames than this are broken, and more than are good
KEYFRAME_SLACK = 1.1  # at 29.97 frames a second, "a keyframe a second" is one every 1.001 s
LOOKAHEAD = 64  # packets; H.264 and HEVC reorder at most 16 frames
UNSPECIFIED_COLORS = 2  # AVCOL_SPC_UNSPECIFIED
HIGH_DEFINITION = 720  # lines; players assume BT.709 for frames of this height without a label
MAX_PIXEL_ASPECT = 10  # width to height of a pixel; more is a mistake in the file


@dataclass(frozen=True)
class Frame:
    """An image uint8[h, w, 3] RGB, upright, in square pixels, and the time at which it appears."""

    time_s: float
    image: Pixels


def keyframes_suffice(path: Path, step_s: float) -> bool:
    """Whether there is a keyframe in every step, and each can be decoded by itself.

    Reads packets only, and only up to the first gap that is too long. A file with an edit list may
    start between keyframes, so all of it has to be decoded.
    """
    with opened(path, audio=False) as media:
        longest = step_s * KEYFRAME_SLACK / float(media.video.time_base or 1)
        last: int | None = None
        tried = False
        for packet in packets(media):
            if packet.is_discard or packet.pts is None:
                return False
            if last is None and not packet.is_keyframe:
                return False
            if last is not None and packet.pts - last > longest:
                return False
            if packet.is_keyframe:
                if last is not None and not tried:
                    if not _stands_alone(media.video, packet):
                        return False
                    tried = True
                last = packet.pts
    return tried


def _stands_alone(video: VideoStream, packet: AnyPacket) -> bool:
    """Whether a keyframe is really one: some files label others as keyframes."""
    video.codec_context.thread_count = 1
    try:
        frames = [*video.codec_context.decode(packet), *remaining(video)]
    except av.error.FFmpegError:
        return False
    return len(frames) == 1 and frames[0].key_frame and not frames[0].is_corrupt


class _Schedule:
    """The times at which frames are due, on the stream's own clock."""

    def __init__(self, step_s: float, time_base: Fraction) -> None:
        self._step = Fraction(step_s).limit_denominator(1_000_000) / time_base
        self.due = 0

    def met_at(self, time: int) -> None:
        """Make the next frame due at the first multiple of the step after this time."""
        self.due = -(-(time // self._step + 1) * self._step // 1)


class FrameDecoder:
    """Decodes the video stream and gives the frames that are due.

    Decoders can skip frames that no other frame refers to. Those that are not due are skipped,
    which takes a short look-ahead: the frame shown at a time is known once the packets to be
    decoded by that time have been read.
    """

    def __init__(self, media: Media, step_s: float, max_side: int, report: DecodeReport) -> None:
        self._video = media.video
        self._context = media.video.codec_context
        self._context.open(strict=False)  # before skip_frame is set: some decoders never reset it
        time_base = media.video.time_base or Fraction(1, av.time_base)
        self._tick_s = float(time_base)
        self._spacing = max(1, round(1 / (media.rate * self._tick_s)))
        self._half_step = step_s / 2 / self._tick_s
        self._ahead = _Schedule(step_s, time_base)
        self._targets = _Schedule(step_s, time_base)
        self._waiting: deque[AnyPacket] = deque()
        self._wanted: set[int | None] = {None}  # a frame without a time may be due
        self._next = 0
        self._max_side = max_side
        self._reformatter = VideoReformatter()
        self._matrix: Matrix | None = None
        self._report = report

    def take(self, packet: AnyPacket) -> Iterator[Frame]:
        """Take the next packet; yields the frames that are now known to be due."""
        self._waiting.append(packet)
        self._look_ahead(packet)
        while self._waiting and self._is_settled(self._waiting[0]):
            yield from self._decode_next()

    def finish(self) -> Iterator[Frame]:
        while self._waiting:
            yield from self._decode_next()
        yield from self._due(remaining(self._video))
        self._report.end_s = max(self._report.end_s, self._next * self._tick_s)

    def _look_ahead(self, newest: AnyPacket) -> None:
        """Find out which frames are due, as far as the newest packet shows."""
        while newest.dts is not None:
            times = [p.pts for p in self._waiting if p.pts is not None and not p.is_discard]
            first = min((time for time in times if time >= self._ahead.due), default=None)
            if first is None or newest.dts < first:
                return
            self._wanted.add(first)
            self._ahead.met_at(first)

    def _is_settled(self, packet: AnyPacket) -> bool:
        if packet.pts is None or packet.dts is None or len(self._waiting) > LOOKAHEAD:
            return True
        return packet.pts < self._ahead.due

    def _decode_next(self) -> Iterator[Frame]:
        packet = self._waiting.popleft()
        due = packet.pts in self._wanted or (packet.pts or 0) >= self._ahead.due
        self._context.skip_frame = "DEFAULT" if due else "NONREF"
        if packet.pts is not None:
            self._wanted.discard(packet.pts)
        yield from self._due(self._decoded(packet))

    def _decoded(self, packet: AnyPacket) -> list[VideoFrame]:
        try:
            return decoded(self._video, packet)
        except av.error.FFmpegError:
            self._count_broken()
            return []

    def _due(self, frames: list[VideoFrame]) -> Iterator[Frame]:
        for frame in frames:
            time = self._next if frame.pts is None else frame.pts
            self._next = time + self._spacing
            self._report.frames += 1
            if frame.is_corrupt:
                self._count_broken()
            patience = self._half_step if frame.is_corrupt else 0
            if time >= self._targets.due + patience:
                self._targets.met_at(time)
                self._report.sampled += 1
                yield Frame(time * self._tick_s, self._image(frame))

    def _count_broken(self) -> None:
        self._report.broken_frames += 1
        if self._report.broken_frames > max(MAX_BROKEN, self._report.frames):
            raise MediaError(f"is damaged: {self._report.broken_frames} frames are broken")

    def _image(self, frame: VideoFrame) -> Pixels:
        width, height = _square_size(frame, self._video)
        scale = min(1.0, self._max_side / max(width, height))
        unlabelled = frame.colorspace == UNSPECIFIED_COLORS and frame.height >= HIGH_DEFINITION
        try:
            scaled = self._reformatter.reformat(
                frame,
                max(1, round(width * scale)),
                max(1, round(height * scale)),
                "rgb48le" if is_hdr(frame) else "rgb24",
                src_colorspace=Colorspace.ITU709 if unlabelled else None,
                threads=1,
            )
        except av.error.FFmpegError as error:
            raise MediaError(f"has frames in an unknown format: {frame.format.name}") from error
        image = scaled.to_ndarray()
        if is_hdr(frame):
            image = tone_mapped(image, frame)
        image = image.astype(np.uint8, copy=False)
        if self._matrix is None:
            # Of the first frame only: in PyAV, reading it puts the frame into a reference cycle,
            # so that hundreds of frames would stay in memory until the next collection.
            self._matrix = _display_matrix(frame)
        return _upright(image, self._matrix)


class KeyframeDecoder(FrameDecoder):
    """Decodes the keyframes that are due and nothing else."""

    def take(self, packet: AnyPacket) -> Iterator[Frame]:
        if packet.is_keyframe and packet.pts is not None and packet.pts >= self._targets.due:
            frames = [*self._decoded(packet), *remaining(self._video)]
            self._context.flush_buffers()
            yield from self._due(frames)


def display_size(frame: VideoFrame, video: VideoStream) -> tuple[int, int]:
    """Width and height as a player shows them: upright, in square pixels."""
    width, height = _square_size(frame, video)
    return (height, width) if _is_rotated(_display_matrix(frame)) else (width, height)


def jpeg(image: Pixels, max_side: int) -> bytes:
    """Encode an image uint8[h, w, 3] RGB as JPEG with a long side of at most `max_side`."""
    picture = Image.fromarray(image)
    picture.thumbnail((max_side, max_side))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()


def _square_size(frame: VideoFrame, video: VideoStream) -> tuple[int, int]:
    """Width and height in square pixels, before rotation; no side gets shorter."""
    aspect = video.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, MAX_PIXEL_ASPECT) <= aspect <= MAX_PIXEL_ASPECT:
        return frame.width, frame.height
    if aspect >= 1:
        return round(frame.width * aspect), frame.height
    return frame.width, round(frame.height / aspect)


def _display_matrix(frame: VideoFrame) -> Matrix:
    data = frame.side_data.get(SideDataType.DISPLAYMATRIX)  # type: ignore[call-overload]
    if data is None:
        return 1, 0, 0, 1
    matrix = np.frombuffer(bytes(data), np.int32)
    return int(matrix[0]), int(matrix[1]), int(matrix[3]), int(matrix[4])


def _is_rotated(matrix: Matrix) -> bool:
    """Whether width and height are swapped."""
    return abs(matrix[1]) > abs(matrix[0])


def _upright(image: Pixels, matrix: Matrix) -> Pixels:
    """Rotate and mirror as the display matrix says, to the nearest quarter turn."""
    if _is_rotated(matrix):
        image, right, down = image.swapaxes(0, 1), matrix[2], matrix[1]
    else:
        right, down = matrix[0], matrix[3]
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1])
