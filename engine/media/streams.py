"""Chooses the video and the audio stream of a file, and reads their packets."""

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

from engine.media.files import MAX_PIXELS, MAX_SIDE, NO_MEMORY, MediaError, open_container

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream

    AnyPacket: TypeAlias = Packet[Stream]

AnyStream: TypeAlias = VideoStream | AudioStream

MAX_READ_ERRORS = 100  # after this many, the file counts as ended
MAX_COUNTED = 5000  # packets to count in order to tell a video from a single image
DEFAULT_RATE = 25.0  # frames a second, for files that do not say; FFmpeg's default, too
MAX_RATE = 1000.0
RESTARTING_FORMATS = (
    "mpegts",
    "mpeg",
    "ogg",
    "live_flv",
)  # parts are joined without adjusting their times
FORMATS_WITH_TIME_OF_END = ("matroska,webm", "flv", "live_flv")
SILENCE = 0.001  # of full scale: 60 dB below, where nothing can be understood
MAX_SILENCE_S = 600.0  # a track that starts with this much silence counts as silent

PROTECTED = "is copy-protected (DRM) and cannot be decoded: use a copy without protection"
# Metadata by which FFmpeg marks an encrypted track (Matroska, WebM) or file (ASF, WMV).
KEYS_OF_PROTECTION = {"enc_key_id", "asf_protection_type"}
PROTECTED_TAGS = {"drmi", "encv"}  # sample entries of protected frames in MP4

NOT_THE_PROGRAMME = Disposition.comment | Disposition.visual_impaired | Disposition.karaoke
UNKNOWN_LANGUAGES = {"", "und", "mis", "mul", "zxx"}


@dataclass(frozen=True)
class Media:
    """An open file with the streams that are used.

    `undecodable_audio` says that the file has audio, but none that can be decoded.
    """

    container: InputContainer
    video: VideoStream
    audio: AudioStream | None
    undecodable_audio: bool = False

    @property
    def streams(self) -> list[AnyStream]:
        return [self.video, self.audio] if self.audio else [self.video]

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
    def header_s(self) -> float:
        """The duration in the header; 0 if it has none.

        A recording of a running stream may start at 100 s, for example; its header then gives the
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
        """Frames a second, on average."""
        rate = float(self.video.average_rate or self.video.guessed_rate or DEFAULT_RATE)
        return rate if 0 < rate <= MAX_RATE else DEFAULT_RATE


@contextlib.contextmanager
def opened(path: Path, audio: bool = True, language: str = "") -> Iterator[Media]:
    """Open a file to read its frames and, if it has any, its audio; raises MediaError.

    `language` (ISO 639-2, like "eng") is preferred among several audio tracks.
    """
    with open_container(path) as container:
        video = _video(path, container)
        track = _audio(path, container, language) if audio else None
        media = Media(container, video, track, bool(container.streams.audio) and not track)
        video.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        used = {stream.index for stream in media.streams}
        for stream in container.streams:
            stream.discard = Discard.default if stream.index in used else Discard.all
        yield media


def packets(media: Media) -> Iterator[AnyPacket]:
    """Packets with content, in file order; unreadable places are skipped.

    Raises MediaError if frames are encrypted.
    """
    for _ in range(MAX_READ_ERRORS):
        try:
            for packet in media.container.demux(media.streams):
                if is_encrypted(packet) and packet.stream_index == media.video.index:
                    raise MediaError(PROTECTED)
                if packet.size:  # an empty packet means the end of the stream to a decoder
                    yield packet
            return
        except av.error.FFmpegError:
            continue
        except IndexError:  # from PyAV, at the end of a file with a stream that appears midway
            return


def first_frame(media: Media) -> VideoFrame:
    """Decode the first frame; raises MediaError if there is none."""
    media.video.codec_context.thread_count = 1
    for packet in packets(media):
        if packet.stream_index == media.video.index:
            with contextlib.suppress(av.error.FFmpegError):
                for frame in decoded(media.video, packet):
                    return frame
    for frame in remaining(media.video):
        return frame
    raise MediaError("has no frame that can be decoded")


def decoded(video: VideoStream, packet: AnyPacket) -> list[VideoFrame]:
    """The frames of a packet; raises MediaError if there is not enough memory."""
    try:
        return video.codec_context.decode(packet)
    except av.error.MemoryError:
        raise MediaError(NO_MEMORY) from None


def remaining(video: VideoStream) -> list[VideoFrame]:
    """The frames left in the decoder; it takes no more packets until it is flushed."""
    try:
        return video.codec_context.decode(None)
    except av.error.FFmpegError:
        return []


def is_encrypted(packet: AnyPacket) -> bool:
    """Whether the content of a packet is encrypted (MP4's common encryption)."""
    return packet.has_sidedata("encryption_info")


def language_of(stream: AnyStream) -> str:
    """The language of a track in its metadata, as ISO 639-2 or -1; "" if unknown."""
    language = str(stream.metadata.get("language", "")).lower()
    return "" if language in UNKNOWN_LANGUAGES else language


def _video(path: Path, container: InputContainer) -> VideoStream:
    """The video stream that a player would show; the cover of a song is none."""
    if KEYS_OF_PROTECTION & {key.lower() for key in container.metadata}:
        raise MediaError(PROTECTED)
    streams = _moving(path, list(container.streams.video))
    if not streams:
        raise MediaError("is not a video: it has no video stream")
    if any(KEYS_OF_PROTECTION & {key.lower() for key in stream.metadata} for stream in streams):
        raise MediaError(PROTECTED)
    usable = [s for s in streams if s.codec_context is not None]
    if not usable:
        raise MediaError("has frames in a format that cannot be decoded here")
    best = max(usable, key=lambda s: (bool(s.disposition & Disposition.default), s.width))
    if best.codec_context.codec_tag in PROTECTED_TAGS:
        raise MediaError(PROTECTED)
    width, height = best.width, best.height
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise MediaError(
            f"has frames of {width} x {height} pixels: at most {MAX_PIXELS} in all and"
            f" {MAX_SIDE} on a side can be decoded",
            "video_resolution_too_high",
        )
    return best


def _moving(path: Path, streams: Sequence[VideoStream]) -> list[VideoStream]:
    """The streams with more than one frame; if there is none, those not marked as covers."""
    covers = [s for s in streams if s.disposition & Disposition.attached_pic]
    if len(streams) < 2 and not covers:
        return list(streams)
    counts = _packet_counts(path, streams)
    moving = [stream for stream in streams if counts[stream.index] > 1]
    return moving or [stream for stream in streams if stream not in covers]


def _packet_counts(path: Path, streams: Sequence[VideoStream]) -> Counter[int]:
    """Packet counts by stream index, until each stream has two or enough have been counted."""
    counts: Counter[int] = Counter()
    with open_container(path) as container, contextlib.suppress(av.error.FFmpegError, IndexError):
        wanted = [container.streams[stream.index] for stream in streams]
        for count, packet in enumerate(container.demux(wanted)):
            counts[packet.stream_index] += packet.size > 0
            if count > MAX_COUNTED or all(counts[stream.index] > 1 for stream in wanted):
                break
    return counts


def _audio(path: Path, container: InputContainer, language: str) -> AudioStream | None:
    """The audio track to use: by language first, then the main programme, then not silent."""
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
        for audio in container.decode(track):
            for samples in as_float.resample(audio):
                if np.abs(samples.to_ndarray()).max(initial=0.0) > SILENCE:
                    return False
            if audio.time is not None and audio.time > MAX_SILENCE_S:
                break
    return True
