"""Video files in, pictures and sound out: one pass over a file, in file order, in bounded memory.

    for item in decode(Path("holiday.mp4"), step_s=1.0):
        if isinstance(item, Frame): ...   # item.time_s, item.image
        else: ...                         # item.start_s, item.samples

Times are seconds from the start of the file as a player shows it: the earliest picture or sound is
at 0, edit lists are applied. Files come from anyone, so only formats that hold their own media are
opened (no playlists, no image sequences) and nothing but the file itself is read.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
import av.container
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

Picture: TypeAlias = npt.NDArray[np.uint8]
Samples: TypeAlias = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000
BLOCK_S = 15.0
LONGEST_SILENCE_S = 30.0  # longer gaps between sounds start a new block instead of being filled
SOUND_TOLERANCE_S = 0.1  # timestamps of sound wander by less than this in sound files
LARGEST_PICTURE = 8192 * 8192  # pixels; 8K (7680 x 4320) has half as many
LARGEST_SIDE = 16_384
MOST_BROKEN = 1000  # pictures; a file with more of them, and more than good ones, is given up

# FFmpeg demuxers that read one file and nothing else. Playlists and the like (hls, dash, concat,
# image2, sdp, ...) are not here: they would read other files for whoever uploaded them.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,vvc,av1,obu,ivf"
    ",flv,live_flv,kux,asf,asf_o,ogg,mxf,gxf,nut,wtv,dv,rm,dhav,nsv,nuv,swf,vob,y4m,yuv4mpegpipe"
    ",mjpeg,mjpeg_2000,gif,apng,vc1,vc1test,h261,h263,dnxhd,cavsvideo,avs2,avs3,dirac,amv,smjpeg"
    ",bink,smk,flic,roq,film_cpk,mv,mm,xmv,pva,ivr,lvf,viv,vivo,mtv,4xm,evc,apv"
    ",mp3,mp2,wav,w64,flac,aac,ac3,eac3,aiff,au,caf,amr,ape,wv,tta,dts,truehd,mka"
)


class MediaError(Exception):
    """A file that cannot be used as a video; `code` is one of the platform's error codes."""

    def __init__(self, message: str, code: str = "video_file_broken") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass(frozen=True)
class MediaInfo:
    """What a player would show of a file: size after rotation, in square pixels."""

    duration_s: float
    fps: float
    width: int
    height: int
    has_audio: bool


@dataclass(frozen=True)
class Frame:
    """A picture, uint8[h, w, 3] RGB, upright, in square pixels, and when it appears."""

    time_s: float
    image: Picture


@dataclass(frozen=True)
class AudioBlock:
    """Sound, float32[n] mono at 16 kHz in -1..1, from `start_s` on."""

    start_s: float
    samples: Samples


@dataclass
class DecodeReport:
    """Filled while `decode` runs: pictures decoded, pictures and sound packets that were broken."""

    pictures: int = 0
    broken_pictures: int = 0
    broken_sound: int = 0
    end_s: float = 0.0


def probe(path: Path) -> MediaInfo:
    """Read what a file is, and decode its first picture; raises MediaError."""
    with _open(path) as container:
        video = _video_stream(container)
        picture = _first_picture(container, video)
        width, height = _display_size(picture, video)
        fps = float(video.average_rate or video.guessed_rate or 0)
        duration_s = float(Fraction(container.duration or 0, av.time_base))
        return MediaInfo(
            duration_s=duration_s,
            fps=fps,
            width=width,
            height=height,
            has_audio=_audio_stream(container) is not None,
        )


def decode(
    path: Path,
    *,
    step_s: float = 1.0,
    max_side: int = 960,
    audio: bool = True,
    threads: int = 0,
    report: DecodeReport | None = None,
) -> Iterator[Frame | AudioBlock]:
    """Read a file once and yield its sampled pictures and all its sound, in file order.

    A picture is the first one at or after 0, step_s, 2 * step_s, ...; a picture that stands longer
    than a step is given once, and lasts until the next. Its long side is at most `max_side`.
    `threads` is for decoding the pictures, 0 for one per processor. Broken pictures are skipped and
    counted in `report`; raises MediaError when there is nothing else.
    """
    report = report if report is not None else DecodeReport()
    with _open(path) as container:
        video = _video_stream(container)
        sound = _audio_stream(container) if audio else None
        video.thread_type = "AUTO"
        video.thread_count = threads
        timeline = _Timeline(container, video, sound)
        pictures = _Pictures(video, step_s, max_side, report)
        listener = _Listener(sound, report) if sound else None
        for packet in container.demux([s for s in (video, sound) if s is not None]):
            timeline.settle(packet)
            if packet.stream_index == video.index:
                yield from pictures.decode(packet)
            elif listener is not None:
                yield from listener.decode(packet)
        if listener is not None:
            yield from listener.finish()
        if not report.pictures:
            raise MediaError("has no picture that can be decoded")


def jpeg(image: Picture, max_side: int) -> bytes:
    """Encode a picture as JPEG, its long side at most `max_side`."""
    picture = Image.fromarray(image)
    picture.thumbnail((max_side, max_side))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()


def _open(path: Path) -> InputContainer:
    try:
        if os.stat(path).st_size == 0:
            raise MediaError("is empty")
        return av.open(
            f"file:{path}",
            "r",
            options={"protocol_whitelist": "file", "format_whitelist": FORMATS},
            metadata_errors="replace",
        )
    except av.error.FFmpegError as error:
        raise MediaError(f"cannot be read as a video: {error.strerror}") from error
    except OSError as error:
        raise MediaError(f"cannot be opened: {error.strerror}") from error


def _video_stream(container: InputContainer) -> VideoStream:
    """The picture stream a player would show; cover pictures of music are not one."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise MediaError("is not a video: it has no picture stream")
    usable = [s for s in streams if s.codec_context is not None]
    if not usable:
        raise MediaError("is in a video format that cannot be decoded here")
    best = max(usable, key=lambda s: (bool(s.disposition & Disposition.default), s.width))
    _check_size(best.width, best.height)
    return best


def _audio_stream(container: InputContainer) -> AudioStream | None:
    best = container.streams.best("audio")
    return best if isinstance(best, AudioStream) and best.codec_context is not None else None


def _check_size(width: int, height: int) -> None:
    if width * height > LARGEST_PICTURE or max(width, height) > LARGEST_SIDE:
        raise MediaError(
            f"has pictures of {width} x {height} pixels, more than can be decoded here",
            "video_resolution_too_high",
        )


def _first_picture(container: InputContainer, video: VideoStream) -> VideoFrame:
    for packet in container.demux(video):
        try:
            for picture in packet.decode():
                return picture
        except av.error.FFmpegError:
            continue
    raise MediaError("has no picture that can be decoded")


class _Timeline:
    """Moves the times of packets so that the file starts at 0 and no clock runs backwards."""

    def __init__(
        self, container: InputContainer, video: VideoStream, sound: AudioStream | None
    ) -> None:
        starts = [
            stream.start_time * stream.time_base
            for stream in (video, sound)
            if stream is not None and stream.start_time is not None and stream.time_base
        ]
        self._origin = min(starts, default=Fraction(0))

    def settle(self, packet: Packet) -> None:  # type: ignore[type-arg]
        shift = -round(self._origin / packet.time_base)
        if packet.pts is not None:
            packet.pts += shift
        if packet.dts is not None:
            packet.dts += shift


class _Pictures:
    """Decodes the picture stream and keeps the pictures of the sampling rule."""

    def __init__(
        self, video: VideoStream, step_s: float, max_side: int, report: DecodeReport
    ) -> None:
        self._video = video
        self._step = Fraction(step_s).limit_denominator(1_000_000)
        self._max_side = max_side
        self._report = report
        self._target = Fraction(0)
        self._last = Fraction(-1)
        self._rate = video.average_rate or video.guessed_rate or Fraction(25)

    def decode(self, packet: Packet) -> Iterator[Frame]:  # type: ignore[type-arg]
        try:
            pictures = self._video.codec_context.decode(packet)
        except av.error.FFmpegError:
            self._count_broken()
            return
        for picture in pictures:
            time = self._time(picture)
            if picture.is_corrupt:
                self._count_broken()
                continue
            self._report.pictures += 1
            if time >= self._target:
                self._target = (time // self._step + 1) * self._step
                yield Frame(float(time), _upright(picture, self._video, self._max_side))

    def _time(self, picture: VideoFrame) -> Fraction:
        if picture.pts is None or picture.time_base is None:
            self._last = max(self._last + 1 / self._rate, Fraction(0))
        else:
            self._last = picture.pts * picture.time_base
        return self._last

    def _count_broken(self) -> None:
        self._report.broken_pictures += 1
        if self._report.broken_pictures > max(MOST_BROKEN, self._report.pictures):
            raise MediaError(f"has {self._report.broken_pictures} broken pictures")


def _display_size(picture: VideoFrame, video: VideoStream) -> tuple[int, int]:
    width, height = _square_size(picture, video)
    return (height, width) if picture.rotation % 180 else (width, height)


def _square_size(picture: VideoFrame, video: VideoStream) -> tuple[int, int]:
    aspect = video.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, 10) <= aspect <= 10:
        aspect = Fraction(1)
    if aspect >= 1:
        return round(picture.width * aspect), picture.height
    return picture.width, round(picture.height / aspect)


def _upright(picture: VideoFrame, video: VideoStream, max_side: int) -> Picture:
    width, height = _square_size(picture, video)
    shrink = min(1.0, max_side / max(width, height))
    scaled = picture.reformat(
        max(1, round(width * shrink)), max(1, round(height * shrink)), "rgb24", threads=1
    )
    image = scaled.to_ndarray().astype(np.uint8, copy=False)
    turns = round(picture.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns))


class _Listener:
    """Decodes the sound stream to blocks in which every sample lies at its time."""

    def __init__(self, sound: AudioStream, report: DecodeReport) -> None:
        self._sound = sound
        self._report = report
        self._resampler: AudioResampler | None = None
        self._input: tuple[str, str, int] | None = None
        self._chunks: list[Samples] = []
        self._start_s = 0.0
        self._length = 0

    def decode(self, packet: Packet) -> Iterator[AudioBlock]:  # type: ignore[type-arg]
        try:
            sounds = self._sound.codec_context.decode(packet)
        except av.error.FFmpegError:
            self._report.broken_sound += 1
            return
        for sound in sounds:
            yield from self._take(sound)

    def finish(self) -> Iterator[AudioBlock]:
        self._drain()
        yield from self._flush()

    def _take(self, sound: AudioFrame) -> Iterator[AudioBlock]:
        here_s = self._start_s + self._length / SAMPLE_RATE
        time_s = sound.time if sound.time is not None else here_s
        started = bool(self._length)
        if started and time_s < here_s - SOUND_TOLERANCE_S:
            return
        if not started or time_s > here_s + SOUND_TOLERANCE_S:
            self._drain()
            gap_s = time_s - here_s
            if started and gap_s <= LONGEST_SILENCE_S:
                self._add(np.zeros(round(gap_s * SAMPLE_RATE), np.float32))
            else:
                yield from self._flush()
                self._start_s = max(time_s, 0.0)
        self._resample(sound)
        if self._length >= BLOCK_S * SAMPLE_RATE:
            yield from self._flush()

    def _resample(self, sound: AudioFrame) -> None:
        given = (sound.format.name, sound.layout.name, sound.sample_rate)
        if self._resampler is None or given != self._input:
            self._drain()
            self._resampler = AudioResampler("flt", "mono", SAMPLE_RATE)
            self._input = given
        sound.pts = None
        for part in self._resampler.resample(sound):
            self._add(part.to_ndarray().reshape(-1).astype(np.float32, copy=False))

    def _drain(self) -> None:
        if self._resampler is not None:
            for part in self._resampler.resample(None):
                self._add(part.to_ndarray().reshape(-1).astype(np.float32, copy=False))
            self._resampler = None

    def _add(self, samples: Samples) -> None:
        self._chunks.append(samples)
        self._length += len(samples)

    def _flush(self) -> Iterator[AudioBlock]:
        if self._length:
            yield AudioBlock(self._start_s, np.concatenate(self._chunks))
            self._start_s += self._length / SAMPLE_RATE
            self._chunks, self._length = [], 0
