"""Which streams of a file are its picture and its sound, and reading their packets."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import av
import av.error
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from engine.media.files import LARGEST_PICTURE, LARGEST_SIDE, NO_MEMORY, MediaError, open_container

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream

    AnyPacket: TypeAlias = Packet[Stream]

AnyStream: TypeAlias = VideoStream | AudioStream

MOST_READ_ERRORS = 100  # after so many, the file is taken to end there
MOST_COUNTED = 5000  # packets looked at to tell a video from a single picture
USUAL_RATE = 25.0  # pictures a second where a file does not tell; FFmpeg takes the same
HIGHEST_RATE = 1000.0
RESTARTING_FORMATS = ("mpegts", "mpeg", "ogg", "live_flv")  # pieces are joined without new times
FORMATS_WITH_TIME_OF_END = ("matroska,webm", "flv", "live_flv")
SILENCE = 0.001  # of full scale: 60 dB below, where nothing can be understood
LONGEST_SILENCE_S = 600.0  # a track that is silent for so long is taken to be silent

PROTECTED = (
    "is protected against copying (DRM) and cannot be decoded: use a copy without protection"
)
# Where FFmpeg notes it that a track (Matroska, WebM) or a file (ASF, WMV) is encrypted.
KEYS_OF_PROTECTION = {"enc_key_id", "asf_protection_type"}
PROTECTED_TAGS = {"drmi", "encv"}  # sample entries of protected pictures in MP4

NOT_THE_PROGRAMME = Disposition.comment | Disposition.visual_impaired | Disposition.karaoke
UNKNOWN_LANGUAGES = {"", "und", "mis", "mul", "zxx"}


@dataclass(frozen=True)
class Media:
    """An open file with the streams of it that are used.

    `undecodable_sound` says that the file has sound, and none of it can be decoded.
    """

    container: InputContainer
    video: VideoStream
    sound: AudioStream | None
    undecodable_sound: bool = False

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
        """The duration that the header gives; 0 where it gives none.

        What is recorded from a running stream may start at 100 s, and its header then gives the
        time of the end.
        """
        container = self.container
        length, start = container.duration or 0, container.start_time or 0
        if container.format.name in FORMATS_WITH_TIME_OF_END and length > start > 0:
            length -= start
        return length / av.time_base

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
def opened(path: Path, audio: bool = True, language: str = "") -> Iterator[Media]:
    """Open a file to read its pictures and, if it has any, its sound; raises MediaError.

    Of several sound tracks one in `language` (ISO 639-2, as "eng") is taken before others.
    """
    with open_container(path) as container:
        video = _video(path, container)
        sound = _sound(path, container, language) if audio else None
        media = Media(container, video, sound, bool(container.streams.audio) and not sound)
        video.codec_context.options = {"max_pixels": str(LARGEST_PICTURE)}
        used = {stream.index for stream in media.streams}
        for stream in container.streams:
            stream.discard = Discard.default if stream.index in used else Discard.all
        yield media


def packets(media: Media) -> Iterator[AnyPacket]:
    """Packets with content, in file order, past places that cannot be read.

    Raises MediaError where pictures are encrypted.
    """
    for _ in range(MOST_READ_ERRORS):
        try:
            for packet in media.container.demux(media.streams):
                if is_encrypted(packet) and packet.stream_index == media.video.index:
                    raise MediaError(PROTECTED)
                if packet.size:  # an empty one would tell the decoder that the stream has ended
                    yield packet
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
                for picture in decoded(media.video, packet):
                    return picture
    for picture in remaining(media.video):
        return picture
    raise MediaError("has no picture that can be decoded")


def decoded(video: VideoStream, packet: AnyPacket) -> list[VideoFrame]:
    """The pictures that the decoder gives for a packet; raises MediaError where memory is short."""
    try:
        return video.codec_context.decode(packet)
    except av.error.MemoryError:
        raise MediaError(NO_MEMORY) from None


def remaining(video: VideoStream) -> list[VideoFrame]:
    """What the decoder still holds; it takes nothing more until it is flushed."""
    try:
        return video.codec_context.decode(None)
    except av.error.FFmpegError:
        return []


def is_encrypted(packet: AnyPacket) -> bool:
    """Whether what a packet holds is encrypted (MP4's common encryption)."""
    return packet.has_sidedata("encryption_info")


def language_of(stream: AnyStream) -> str:
    """The language that a track is marked with, as ISO 639-2 or -1; "" where it is not known."""
    language = str(stream.metadata.get("language", "")).lower()
    return "" if language in UNKNOWN_LANGUAGES else language


def _video(path: Path, container: InputContainer) -> VideoStream:
    """The picture stream that a player would show; the cover of a song is not one."""
    if KEYS_OF_PROTECTION & {key.lower() for key in container.metadata}:
        raise MediaError(PROTECTED)
    streams = _moving(path, list(container.streams.video))
    if not streams:
        raise MediaError("is not a video: it has no picture stream")
    if any(KEYS_OF_PROTECTION & {key.lower() for key in stream.metadata} for stream in streams):
        raise MediaError(PROTECTED)
    usable = [s for s in streams if s.codec_context is not None]
    if not usable:
        raise MediaError("has pictures of a kind that cannot be decoded here")
    best = max(usable, key=lambda s: (bool(s.disposition & Disposition.default), s.width))
    if best.codec_context.codec_tag in PROTECTED_TAGS:
        raise MediaError(PROTECTED)
    width, height = best.width, best.height
    if width * height > LARGEST_PICTURE or max(width, height) > LARGEST_SIDE:
        raise MediaError(
            f"has pictures of {width} x {height} pixels: at most {LARGEST_PICTURE} in all and"
            f" {LARGEST_SIDE} on a side can be decoded",
            "video_resolution_too_high",
        )
    return best


def _moving(path: Path, streams: Sequence[VideoStream]) -> list[VideoStream]:
    """The streams with more than one picture; where there is none, those not marked as covers."""
    covers = [s for s in streams if s.disposition & Disposition.attached_pic]
    if len(streams) < 2 and not covers:
        return list(streams)
    counts = _counted(path, streams)
    moving = [stream for stream in streams if counts[stream.index] > 1]
    return moving or [stream for stream in streams if stream not in covers]


def _counted(path: Path, streams: Sequence[VideoStream]) -> Counter[int]:
    """Packets of each stream, by its index, until each has two or enough were looked at."""
    counts: Counter[int] = Counter()
    with open_container(path) as container, contextlib.suppress(av.error.FFmpegError, IndexError):
        wanted = [container.streams[stream.index] for stream in streams]
        for looked_at, packet in enumerate(container.demux(wanted)):
            counts[packet.stream_index] += packet.size > 0
            if looked_at > MOST_COUNTED or all(counts[stream.index] > 1 for stream in wanted):
                break
    return counts


def _sound(path: Path, container: InputContainer, language: str) -> AudioStream | None:
    """The track to listen to: in the language first, then the programme, then not silent."""
    usable = [stream for stream in container.streams.audio if stream.codec_context is not None]
    if len(usable) < 2:
        return usable[0] if usable else None
    usable.sort(key=lambda stream: _rank(stream, language))
    loud = (stream for stream in usable if not _is_silent(path, stream.index))
    return next(loud, usable[0])


def _rank(stream: AudioStream, language: str) -> tuple[bool, bool, bool, bool]:
    spoken = language_of(stream)
    return (
        bool(language) and spoken not in ("", language, language[:2]),
        bool(language) and not spoken,
        bool(stream.disposition & NOT_THE_PROGRAMME),
        not stream.disposition & Disposition.default,
    )


def _is_silent(path: Path, index: int) -> bool:
    with open_container(path) as container, contextlib.suppress(av.error.FFmpegError):
        track = next(stream for stream in container.streams.audio if stream.index == index)
        as_float = AudioResampler("flt")
        for sound in container.decode(track):
            for samples in as_float.resample(sound):
                if np.abs(samples.to_ndarray()).max(initial=0.0) > SILENCE:
                    return False
            if sound.time is not None and sound.time > LONGEST_SILENCE_S:
                break
    return True
