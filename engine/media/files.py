"""Opening a file that may be anything, and reading its packets."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import av
import av.container
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream

    AnyPacket: TypeAlias = Packet[Stream]

AnyStream: TypeAlias = VideoStream | AudioStream

LARGEST_PICTURE = 8192 * 8192  # pixels; 8K (7680 x 4320) is half of it
LARGEST_SIDE = 16_384
MOST_READ_ERRORS = 100  # after so many, the file is taken to end there
USUAL_RATE = 25.0  # pictures a second where a file does not tell; FFmpeg takes the same
HIGHEST_RATE = 1000.0

# FFmpeg's demuxers that read one file and nothing else. Playlists and the like (hls, dash, concat,
# image2, sdp, ...) are left out: they would read other files for whoever sent them. Those of sound
# are here so that a song is refused as what it is.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h263,h264,hevc,vc1,av1,obu"
    ",ivf,flv,live_flv,asf,ogg,mxf,gxf,nut,wtv,dv,rm,mjpeg,gif,apng,yuv4mpegpipe"
    ",aac,ac3,aiff,amr,caf,flac,mp3,wav"
)
RESTARTING_FORMATS = ("mpegts", "mpeg", "ogg", "live_flv")  # pieces are joined without new times
TOLERANCE_S = 2.0  # by more, the packets' own times win over the header's duration
MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")


class MediaError(Exception):
    """A file that cannot be used as a video.

    `message` says why, in words that follow the name of the file; `code` is the platform's error
    code (`video_...`).
    """

    def __init__(self, message: str, code: str = "video_file_broken") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass(frozen=True)
class MediaInfo:
    """What a player would show: width and height are upright and in square pixels.

    `duration_s` is what is really there, which may be less than the `promised_s` of the header (0
    where it promises nothing); `fps` is the average.
    """

    duration_s: float
    fps: float
    width: int
    height: int
    has_audio: bool
    promised_s: float = 0.0


@dataclass
class DecodeReport:
    """What `decode` met, filled while it runs.

    `pictures` counts those decoded (fewer than the file has), `sampled` those given;
    `broken_pictures` and `broken_sound` those that could not be decoded or came out damaged;
    `end_s` is the end of the last picture or sound read.
    """

    pictures: int = 0
    sampled: int = 0
    broken_pictures: int = 0
    broken_sound: int = 0
    end_s: float = 0.0

    def damage(self, info: MediaInfo) -> str:
        """What is wrong with the file, in words that follow its name; "" where nothing is."""
        counts = {"pictures": self.broken_pictures, "pieces of sound": self.broken_sound}
        found = [f"damaged {what}: {count}" for what, count in counts.items() if count]
        if info.promised_s - info.duration_s > TOLERANCE_S:
            found.append(
                f"ends after {info.duration_s:.1f} of the {info.promised_s:.1f} s that its header "
                "promises"
            )
        return "; ".join(found)


@dataclass(frozen=True)
class Media:
    """An open file with the streams of it that are used."""

    container: InputContainer
    video: VideoStream
    sound: AudioStream | None

    @property
    def streams(self) -> list[AnyStream]:
        return [self.video, self.sound] if self.sound else [self.video]

    @property
    def origin(self) -> Fraction:
        """The time in seconds, on the file's clock, that a player shows as 0."""
        starts = [
            stream.start_time * stream.time_base
            for stream in self.streams
            if stream.start_time is not None and stream.time_base is not None
        ]
        return min(starts, default=Fraction(0))

    @property
    def promised_s(self) -> float:
        """The duration that the header gives; 0 where it gives none."""
        return (self.container.duration or 0) / av.time_base

    @property
    def restarts(self) -> bool:
        """Whether the clock may start again in the middle of the file."""
        return self.container.format.name in RESTARTING_FORMATS

    @property
    def rate(self) -> float:
        """Pictures a second, on average."""
        rate = float(self.video.average_rate or self.video.guessed_rate or USUAL_RATE)
        return rate if 0 < rate <= HIGHEST_RATE else USUAL_RATE


@contextlib.contextmanager
def opened(path: Path, audio: bool = True) -> Iterator[Media]:
    """Open a file to read its pictures and, if it has any, its sound; raises MediaError."""
    with _open(path) as container:
        media = Media(container, _video(container), _sound(container) if audio else None)
        media.video.codec_context.options = {"max_pixels": str(LARGEST_PICTURE)}
        used = {stream.index for stream in media.streams}
        for stream in container.streams:
            stream.discard = Discard.default if stream.index in used else Discard.all
        yield media


def packets(media: Media) -> Iterator[AnyPacket]:
    """Packets with content, in file order, past places that cannot be read."""
    for _ in range(MOST_READ_ERRORS):
        try:
            # An empty packet would tell the decoder that the stream has ended.
            yield from (packet for packet in media.container.demux(media.streams) if packet.size)
            return
        except av.error.FFmpegError:
            continue
        except IndexError:  # PyAV, at the end of a file in which a stream appeared on the way
            return


def first_picture(media: Media) -> VideoFrame:
    """Decode up to the first picture; raises MediaError where there is none."""
    media.video.codec_context.thread_count = 1
    for packet in packets(media):
        if packet.stream_index == media.video.index:
            with contextlib.suppress(av.error.FFmpegError):
                for picture in media.video.codec_context.decode(packet):
                    return picture
    for picture in remaining(media.video):
        return picture
    raise MediaError("has no picture that can be decoded")


def remaining(video: VideoStream) -> list[VideoFrame]:
    """What the decoder still holds; it takes nothing more until it is flushed."""
    try:
        return video.codec_context.decode(None)
    except av.error.FFmpegError:
        return []


def _open(path: Path) -> InputContainer:
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise MediaError("is empty")
    except OSError as error:
        raise MediaError(f"cannot be read: {error.strerror}") from error
    try:
        return av.open(
            f"file:{path}",  # so that no name is taken for a URL
            "r",
            options={
                "protocol_whitelist": "file",
                "format_whitelist": FORMATS,
                "max_pixels": str(LARGEST_PICTURE),
            },
            metadata_errors="replace",
        )
    except av.error.ArgumentError as error:
        raise MediaError("is not a video, but a playlist, a picture or something else") from error
    except av.error.FFmpegError as error:
        raise MediaError(f"cannot be read as a video: {_reason(path, error)}") from error


def _reason(path: Path, error: av.error.FFmpegError) -> str:
    if _lacks_moov(path):
        return "moov atom missing (the file is cut off)"
    if isinstance(error, av.error.InvalidDataError):
        return "its format is not known, or its beginning is damaged"
    if isinstance(error, av.error.EOFError):
        return "the file is cut off"
    return error.strerror or type(error).__name__


def _lacks_moov(path: Path) -> bool:
    """Whether it is an MP4 without its table of contents, which is often written last."""
    with path.open("rb") as file:
        end, position = file.seek(0, os.SEEK_END), 0
        for _ in range(1000):
            file.seek(position)
            header = file.read(16)
            if position == 0 and header[4:8] not in MP4_BOXES:
                return False
            length = int.from_bytes(header[:4], "big")
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            if length < 8 or position + length > end:
                return True
            if header[4:8] == b"moov":
                return False
            position += length
    return False


def _video(container: InputContainer) -> VideoStream:
    """The picture stream that a player would show; the cover of a song is not one."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise MediaError("is not a video: it has no picture stream")
    usable = [s for s in streams if s.codec_context is not None]
    if not usable:
        raise MediaError("has pictures of a kind that cannot be decoded here")
    best = max(usable, key=lambda s: (bool(s.disposition & Disposition.default), s.width))
    width, height = best.width, best.height
    if width * height > LARGEST_PICTURE or max(width, height) > LARGEST_SIDE:
        raise MediaError(
            f"has pictures of {width} x {height} pixels: at most {LARGEST_PICTURE} in all and"
            f" {LARGEST_SIDE} on a side can be decoded",
            "video_resolution_too_high",
        )
    return best


def _sound(container: InputContainer) -> AudioStream | None:
    best = container.streams.best("audio")
    return best if isinstance(best, AudioStream) and best.codec_context is not None else None
