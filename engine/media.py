"""Video files in, pictures and sound out: one pass over a file, in file order, in bounded memory.

    for item in decode(Path("holiday.mp4"), step_s=1.0):
        if isinstance(item, Frame): ...   # item.time_s, item.image
        else: ...                         # item.start_s, item.samples

Times are seconds from the start of the file as a player shows it: the earliest picture or sound is
at 0, and edit lists are applied. Files come from anyone, so only formats that hold their own media
are opened (no playlists, no image sequences), and nothing but the file itself is ever read.
"""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import av
import av.container
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream

    AnyPacket: TypeAlias = Packet[Stream]

Picture: TypeAlias = npt.NDArray[np.uint8]
Samples: TypeAlias = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000  # Hz, what speech models take
BLOCK_S = 15.0  # length of the sound blocks
LONGEST_SILENCE_S = 30.0  # a longer gap in the sound is not filled: the next block starts later
SOUND_TOLERANCE_S = 0.1  # timestamps of sound files wander by less than this

LARGEST_PICTURE = 8192 * 8192  # pixels; 8K (7680 x 4320) is half of it
LARGEST_SIDE = 16_384
FRAME_THREADS_UP_TO = 4096 * 2304  # pixels; above, each further frame in work costs too much memory
MOST_BROKEN = 1000  # a file is given up when more pictures than this, and than the good, are broken
MOST_READ_ERRORS = 100  # after so many, the file is taken to end there

KEYFRAME_SLACK = 1.1  # "a keyframe a second" of 29.97 pictures a second is one every 1.001 s
LOOKAHEAD = 64  # packets; H.264 and HEVC reorder at most 16 pictures

SET_BACK_S = 1.0  # a clock that goes back by more was restarted
JUMP_S = 10.0  # the same forwards, in formats whose clock may be restarted (MPEG-TS and the like)
BEYOND_END_S = 60.0  # a time so far behind the end that the header gives is not believed
DURATION_TOLERANCE_S = 2.0  # by more, the packets' own times win over the header's duration

# FFmpeg's demuxers that read one file and nothing else. Playlists and the like (hls, dash, concat,
# image2, sdp, ...) are left out: they would read other files for whoever sent them. Those of sound
# are here so that a song is refused as what it is.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h263,h264,hevc,vc1,av1,obu"
    ",ivf,flv,live_flv,asf,ogg,mxf,gxf,nut,wtv,dv,rm,mjpeg,gif,apng,yuv4mpegpipe"
    ",aac,ac3,aiff,amr,caf,flac,mp3,wav"
)
RESTARTING_FORMATS = ("mpegts", "mpeg", "ogg", "live_flv")  # pieces are joined without new times
MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")


class MediaError(Exception):
    """A file that cannot be used as a video.

    `message` says why, in words that follow the name of the file; `code` is the platform's error
    code (api-contract, sections 1.2 and 3.4).
    """

    def __init__(self, message: str, code: str = "video_file_broken") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass(frozen=True)
class MediaInfo:
    """What a player would show: width and height are upright and in square pixels.

    `duration_s` is what is really there, which may be less than the header promises; `fps` is the
    average.
    """

    duration_s: float
    fps: float
    width: int
    height: int
    has_audio: bool


@dataclass(frozen=True)
class Frame:
    """A picture, uint8[h, w, 3] RGB, upright, in square pixels, and the time it appears."""

    time_s: float
    image: Picture


@dataclass(frozen=True)
class AudioBlock:
    """Sound, float32[n] mono at 16 kHz in -1..1, from `start_s` on."""

    start_s: float
    samples: Samples


@dataclass
class DecodeReport:
    """What `decode` met, filled while it runs.

    `pictures` counts those decoded (more than were sampled, fewer than the file has);
    `broken_pictures` and `broken_sound` those that could not be decoded or came out damaged;
    `end_s` is the end of the last picture or sound read.
    """

    pictures: int = 0
    broken_pictures: int = 0
    broken_sound: int = 0
    end_s: float = 0.0


def probe(path: Path) -> MediaInfo:
    """Read what a file is and decode its first picture; raises MediaError."""
    with _open(path) as container:
        video, sound = _video_stream(container), _audio_stream(container)
        picture = _first_picture(container, video)
        width, height = _square_size(picture, video)
        if _turned(_display_matrix(picture)):
            width, height = height, width
        origin = _origin(video, sound)
        duration_s = _duration(container, [s for s in (video, sound) if s is not None], origin)
        return MediaInfo(duration_s, _rate(video), width, height, sound is not None)


def decode(
    path: Path,
    *,
    step_s: float = 1.0,
    max_side: int = 960,
    audio: bool = True,
    threads: int = 0,
    report: DecodeReport | None = None,
) -> Iterator[Frame | AudioBlock]:
    """Read a file once and yield its sampled pictures and all of its sound, in file order.

    The pictures are the first one at or after each of 0, step_s, 2 * step_s, ... A picture that
    stands longer than a step is given once: each lasts until the next. Where the file has a
    keyframe in every step, the first keyframe at or after each is taken instead, because that
    spares decoding the rest. A damaged picture is taken only when half a step brings no good one.

    Long sides are at most `max_side` pixels. Sound without timestamps of its own follows what was
    before; gaps of up to 30 s are silence, after longer ones the next block starts later. `threads`
    is for the pictures, 0 for one per processor. Raises MediaError.
    """
    if step_s <= 0 or max_side < 1:
        raise ValueError(f"step_s={step_s} and max_side={max_side} must be above 0")
    report = report if report is not None else DecodeReport()
    keyframes = _keyframes_suffice(path, step_s)
    with _open(path) as container:
        video, sound = _video_stream(container), _audio_stream(container) if audio else None
        streams: list[VideoStream | AudioStream] = [video, *([sound] if sound else [])]
        video.codec_context.thread_type = _thread_type(video)
        video.codec_context.thread_count = threads
        origin = _origin(video, sound)
        clocks = {stream.index: _Clock(container, stream, origin) for stream in streams}
        pictures = (_Keyframes if keyframes else _Pictures)(video, step_s, max_side, report)
        listener = _Listener(sound, report) if sound else None
        for packet in _packets(container, streams):
            clocks[packet.stream_index].settle(packet)
            if packet.stream_index == video.index:
                yield from pictures.decode(packet)
            elif listener is not None:
                yield from listener.decode(packet)
        yield from pictures.finish()
        if listener is not None:
            yield from listener.finish()
    if not report.pictures:
        raise MediaError("has no picture that can be decoded")


def jpeg(image: Picture, max_side: int) -> bytes:
    """Encode a picture, uint8[h, w, 3] RGB, as JPEG with a long side of at most `max_side`."""
    picture = Image.fromarray(image)
    picture.thumbnail((max_side, max_side))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()


# --- Opening a file -------------------------------------------------------------------------


def _open(path: Path) -> InputContainer:
    try:
        if os.stat(path).st_size == 0:
            raise MediaError("is empty")
        return av.open(
            f"file:{path}",  # so that no name is taken for a URL
            "r",
            options={"protocol_whitelist": "file", "format_whitelist": FORMATS},
            metadata_errors="replace",
        )
    except av.error.ArgumentError as error:
        raise MediaError("is not a video, but a playlist, a picture or something else") from error
    except av.error.InvalidDataError as error:
        if _lacks_moov(path):
            reason = "moov atom missing (the file is cut off)"
        else:
            reason = "its format is not known, or its beginning is damaged"
        raise MediaError(f"cannot be read as a video: {reason}") from error
    except (av.error.FFmpegError, OSError) as error:
        raise MediaError(f"cannot be read: {error.strerror}") from error


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
            if length < 8 or position + length > end or header[4:8] == b"moov":
                return position + length > end or header[4:8] != b"moov"
            position += length
    return False


def _video_stream(container: InputContainer) -> VideoStream:
    """The picture stream that a player would show; the cover of a song is not one."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise MediaError("is not a video: it has no picture stream")
    usable = [s for s in streams if s.codec_context is not None]
    if not usable:
        raise MediaError("has pictures of a kind that cannot be decoded here")
    best = max(usable, key=lambda s: (bool(s.disposition & Disposition.default), s.width))
    if best.width * best.height > LARGEST_PICTURE or max(best.width, best.height) > LARGEST_SIDE:
        raise MediaError(
            f"has pictures of {best.width} x {best.height} pixels, more than can be decoded here",
            "video_resolution_too_high",
        )
    return best


def _audio_stream(container: InputContainer) -> AudioStream | None:
    best = container.streams.best("audio")
    return best if isinstance(best, AudioStream) and best.codec_context is not None else None


def _thread_type(video: VideoStream) -> str:
    return "AUTO" if video.width * video.height <= FRAME_THREADS_UP_TO else "SLICE"


def _rate(video: VideoStream) -> float:
    """Pictures a second; 25 is what FFmpeg also takes where a file does not tell."""
    rate = float(video.average_rate or video.guessed_rate or 25)
    return rate if 0 < rate <= 1000 else 25.0


def _packets(
    container: InputContainer, streams: list[VideoStream | AudioStream]
) -> Iterator[AnyPacket]:
    """Packets with content, in file order, past places that cannot be read."""
    used = {stream.index for stream in streams}
    for stream in container.streams:
        if stream.index not in used:
            stream.discard = Discard.all
    for _ in range(MOST_READ_ERRORS):
        try:
            # An empty packet would tell the decoder that the stream has ended.
            yield from (packet for packet in container.demux(streams) if packet.size)
            return
        except av.error.FFmpegError:
            continue


def _first_picture(container: InputContainer, video: VideoStream) -> VideoFrame:
    context = video.codec_context
    context.thread_count = 1
    for packet in _packets(container, [video]):
        try:
            for picture in context.decode(packet):
                return picture
        except av.error.FFmpegError:
            continue
    for picture in _rest(video):
        return picture
    raise MediaError("has no picture that can be decoded")


def _rest(stream: VideoStream) -> list[VideoFrame]:
    """What the decoder still holds; it takes nothing more until it is flushed."""
    try:
        return stream.codec_context.decode(None)
    except av.error.FFmpegError:
        return []


# --- Time -----------------------------------------------------------------------------------


def _origin(video: VideoStream, sound: AudioStream | None) -> Fraction:
    """The time, on the file's clock, that a player shows as 0."""
    starts = [
        stream.start_time * stream.time_base
        for stream in (video, sound)
        if stream is not None and stream.start_time is not None and stream.time_base is not None
    ]
    return min(starts, default=Fraction(0))


def _duration(
    container: InputContainer, streams: list[VideoStream | AudioStream], origin: Fraction
) -> float:
    """The header's duration where the last packets agree with it, else what they say."""
    promised = container.duration
    end = None
    if promised is not None:
        near_end = promised / av.time_base - DURATION_TOLERANCE_S
        end = _last_end(container, streams, float(origin) + near_end)
    if end is None:
        end = _last_end(container, streams, float(origin))
    measured_s = float(end - origin) if end is not None else 0.0
    promised_s = (promised or 0) / av.time_base
    agreed = promised_s > 0 and abs(measured_s - promised_s) <= DURATION_TOLERANCE_S
    return promised_s if agreed or measured_s <= 0 else measured_s


def _last_end(
    container: InputContainer, streams: list[VideoStream | AudioStream], from_s: float
) -> Fraction | None:
    """Where the last packet from a time on ends, on the file's clock."""
    try:
        container.seek(int(from_s * av.time_base))
    except av.error.FFmpegError:
        return None
    ends = [
        (packet.pts + (packet.duration or 0)) * packet.time_base
        for packet in _packets(container, streams)
        if packet.pts is not None
    ]
    return max(ends, default=None)


class _Clock:
    """Moves the times of one stream's packets so that they start at 0 and run on.

    A clock that is set back, jumps in a format where that is usual, or runs far beyond the end of
    the file is taken to go on from where it was.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream | AudioStream, origin: Fraction
    ) -> None:
        second = 1 / (stream.time_base or Fraction(1, av.time_base))
        jumps = container.format.name in RESTARTING_FORMATS
        promised = container.duration
        self._shift = -round(origin * second)
        self._back = round(SET_BACK_S * second)
        self._jump = round(JUMP_S * second) if jumps else None
        self._end = (
            round((promised / av.time_base + BEYOND_END_S) * second)
            if promised is not None
            else None
        )
        self._next: int | None = None

    def settle(self, packet: AnyPacket) -> None:
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None:
            return
        time, due = stamp + self._shift, self._next or 0
        if (
            time < due - self._back
            or (self._end is not None and time > self._end)
            or (self._jump is not None and self._next is not None and time > due + self._jump)
        ):
            self._shift += due - time
            time = due
        self._next = time + (packet.duration or 0)
        if packet.pts is not None:
            packet.pts += self._shift
        if packet.dts is not None:
            packet.dts += self._shift


class _Targets:
    """The times at which pictures are due, on a stream's own clock."""

    def __init__(self, step_s: float, time_base: Fraction) -> None:
        self._step = Fraction(step_s).limit_denominator(1_000_000) / time_base
        self.due = 0

    def met_at(self, time: int) -> None:
        """The next picture is due at the first multiple of the step after this one."""
        self.due = -(-(time // self._step + 1) * self._step // 1)


# --- Pictures -------------------------------------------------------------------------------


def _keyframes_suffice(path: Path, step_s: float) -> bool:
    """Whether there is a keyframe in every step, each of which can be decoded by itself.

    Reads packets only, and only up to the first gap that is too long.
    """
    with _open(path) as container:
        video = _video_stream(container)
        longest = step_s * KEYFRAME_SLACK / float(video.time_base or 1)
        last: int | None = None
        tried = False
        for packet in _packets(container, [video]):
            if packet.pts is None or (last is None and not packet.is_keyframe):
                return False
            if last is not None and packet.pts - last > longest:
                return False
            if packet.is_keyframe:
                if last is not None and not tried:
                    tried = True
                    if not _stands_alone(video, packet):
                        return False
                last = packet.pts
    return tried


def _stands_alone(video: VideoStream, packet: AnyPacket) -> bool:
    """Some files call pictures keyframes that are not."""
    video.codec_context.thread_count = 1
    try:
        pictures = [*video.codec_context.decode(packet), *_rest(video)]
    except av.error.FFmpegError:
        return False
    return len(pictures) == 1 and pictures[0].key_frame and not pictures[0].is_corrupt


class _Pictures:
    """Decodes the picture stream and gives the pictures that are due.

    Decoders can leave out pictures that no other refers to. All such are left out but those that
    are due, which a short look ahead in the packets tells: what is shown at a time is known once
    the packets to be decoded by that time have been read.
    """

    def __init__(
        self, video: VideoStream, step_s: float, max_side: int, report: DecodeReport
    ) -> None:
        self._video = video
        self._context = video.codec_context
        self._context.open(strict=False)  # before any leaving out: some take that for good
        self._time_base = video.time_base or Fraction(1, av.time_base)
        self._spacing = max(1, round(1 / (_rate(video) * self._time_base)))
        self._half_step = step_s / 2 / float(self._time_base)
        self._ahead = _Targets(step_s, self._time_base)
        self._targets = _Targets(step_s, self._time_base)
        self._waiting: deque[AnyPacket] = deque()
        self._wanted: set[int] = set()
        self._next = 0
        self._max_side = max_side
        self._reformatter = VideoReformatter()
        self._report = report

    def decode(self, packet: AnyPacket) -> Iterator[Frame]:
        self._waiting.append(packet)
        self._look_ahead(packet)
        while self._waiting and self._is_settled(self._waiting[0]):
            yield from self._decode_next()

    def finish(self) -> Iterator[Frame]:
        while self._waiting:
            yield from self._decode_next()
        yield from self._due(_rest(self._video))

    def _look_ahead(self, newest: AnyPacket) -> None:
        """Find out which pictures are due, as far as the newest packet tells."""
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
        due = packet.pts is None or packet.pts >= self._ahead.due or packet.pts in self._wanted
        self._wanted.discard(-1 if packet.pts is None else packet.pts)
        self._context.skip_frame = "DEFAULT" if due else "NONREF"
        yield from self._due(self._decoded(packet))

    def _decoded(self, packet: AnyPacket) -> list[VideoFrame]:
        try:
            return self._context.decode(packet)
        except av.error.FFmpegError:
            self._count_broken()
            return []

    def _due(self, pictures: list[VideoFrame]) -> Iterator[Frame]:
        for picture in pictures:
            time = self._next if picture.pts is None else picture.pts
            self._next = time + self._spacing
            end_s = float((time + (picture.duration or self._spacing)) * self._time_base)
            self._report.end_s = max(self._report.end_s, end_s)
            if picture.is_corrupt:
                self._count_broken()
            else:
                self._report.pictures += 1
            patience = self._half_step if picture.is_corrupt else 0
            if time >= self._targets.due + patience:
                self._targets.met_at(time)
                yield Frame(float(time * self._time_base), self._image(picture))

    def _count_broken(self) -> None:
        self._report.broken_pictures += 1
        if self._report.broken_pictures > max(MOST_BROKEN, self._report.pictures):
            raise MediaError(f"is damaged: {self._report.broken_pictures} pictures are broken")

    def _image(self, picture: VideoFrame) -> Picture:
        width, height = _square_size(picture, self._video)
        scale = min(1.0, self._max_side / max(width, height))
        # As players do, take high definition that does not tell its colours for BT.709.
        guess_709 = picture.colorspace == UNSPECIFIED_COLORS and picture.height >= 720
        scaled = self._reformatter.reformat(
            picture,
            max(1, round(width * scale)),
            max(1, round(height * scale)),
            "rgb24",
            src_colorspace=Colorspace.ITU709 if guess_709 else None,
            threads=1,
        )
        image = scaled.to_ndarray().astype(np.uint8, copy=False)
        return _upright(image, _display_matrix(picture))


class _Keyframes(_Pictures):
    """The same where keyframes suffice: decodes those that are due, and nothing else."""

    def decode(self, packet: AnyPacket) -> Iterator[Frame]:
        if packet.is_keyframe and packet.pts is not None and packet.pts >= self._targets.due:
            pictures = [*self._decoded(packet), *_rest(self._video)]
            self._context.flush_buffers()
            yield from self._due(pictures)


UNSPECIFIED_COLORS = 2  # AVCOL_SPC_UNSPECIFIED


def _square_size(picture: VideoFrame, video: VideoStream) -> tuple[int, int]:
    """Width and height in square pixels, before any turning; no side gets shorter."""
    aspect = video.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, 10) <= aspect <= 10:
        return picture.width, picture.height
    if aspect >= 1:
        return round(picture.width * aspect), picture.height
    return picture.width, round(picture.height / aspect)


def _display_matrix(picture: VideoFrame) -> tuple[int, int, int, int]:
    """How far right and down on the screen a step right, then a step down, in the picture leads."""
    data = picture.side_data.get(SideDataType.DISPLAYMATRIX)  # type: ignore[call-overload]
    if data is None:
        return 1, 0, 0, 1
    matrix = np.frombuffer(bytes(data), np.int32)
    return int(matrix[0]), int(matrix[1]), int(matrix[3]), int(matrix[4])


def _turned(matrix: tuple[int, int, int, int]) -> bool:
    """Whether width and height change places."""
    return abs(matrix[1]) > abs(matrix[0])


def _upright(image: Picture, matrix: tuple[int, int, int, int]) -> Picture:
    """Turn and mirror as the display matrix says, to the nearest quarter turn."""
    if _turned(matrix):
        image, right, down = image.swapaxes(0, 1), matrix[2], matrix[1]
    else:
        right, down = matrix[0], matrix[3]
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1])


# --- Sound ----------------------------------------------------------------------------------


class _Listener:
    """Decodes the sound stream to blocks in which every sample lies at its time."""

    def __init__(self, sound: AudioStream, report: DecodeReport) -> None:
        self._context = sound.codec_context
        self._time_base = sound.time_base or Fraction(1, SAMPLE_RATE)
        self._report = report
        self._resampler: AudioResampler | None = None
        self._format: tuple[str, str, int] | None = None
        self._start_s: float | None = None
        self._chunks: list[Samples] = []
        self._length = 0

    def decode(self, packet: AnyPacket) -> Iterator[AudioBlock]:
        yield from self._listen(packet)

    def finish(self) -> Iterator[AudioBlock]:
        yield from self._listen(None)
        self._drain()
        yield from self._flush()

    def _listen(self, packet: AnyPacket | None) -> Iterator[AudioBlock]:
        try:
            sounds = self._context.decode(packet)
        except av.error.FFmpegError:
            self._report.broken_sound += 1
            return
        for sound in sounds:
            if sound.samples and sound.sample_rate:
                yield from self._place(sound)

    def _place(self, sound: AudioFrame) -> Iterator[AudioBlock]:
        """Put a piece of sound at its time: after silence, in a new block, or nowhere."""
        due_s = None if self._start_s is None else self._start_s + self._length / SAMPLE_RATE
        time_s = (due_s or 0.0) if sound.pts is None else float(sound.pts * self._time_base)
        if due_s is None:
            self._start_s = max(time_s, 0.0)
        elif time_s < due_s - SOUND_TOLERANCE_S:
            return  # this stretch has been heard already
        elif time_s > due_s + SOUND_TOLERANCE_S:
            self._drain()
            if time_s - due_s <= LONGEST_SILENCE_S:
                self._add(np.zeros(round((time_s - due_s) * SAMPLE_RATE), np.float32))
            else:
                yield from self._flush()
                self._start_s = time_s
        self._resample(sound)
        self._report.end_s = max(self._report.end_s, time_s + sound.samples / sound.sample_rate)
        if self._length >= BLOCK_S * SAMPLE_RATE:
            yield from self._flush()

    def _resample(self, sound: AudioFrame) -> None:
        given = (sound.format.name, sound.layout.name, sound.sample_rate)
        if self._resampler is None or given != self._format:
            self._drain()
            self._resampler = AudioResampler("flt", "mono", SAMPLE_RATE)
            self._format = given
        self._add_all(self._resampler.resample(sound))

    def _drain(self) -> None:
        if self._resampler is not None:
            self._add_all(self._resampler.resample(None))
            self._resampler = None

    def _add_all(self, sounds: Sequence[AudioFrame | None]) -> None:
        for sound in sounds:
            if sound is not None:
                self._add(sound.to_ndarray().reshape(-1).astype(np.float32, copy=False))

    def _add(self, samples: Samples) -> None:
        self._chunks.append(samples)
        self._length += len(samples)

    def _flush(self) -> Iterator[AudioBlock]:
        if self._length and self._start_s is not None:
            yield AudioBlock(self._start_s, np.concatenate(self._chunks))
            self._start_s += self._length / SAMPLE_RATE
            self._chunks, self._length = [], 0
