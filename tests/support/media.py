"""Awkward media for tests, made with PyAV: every picture tells its own number, every beep its time.

    path = write_video(tmp_path / "clip.mp4", seconds=3, rotation=-90)
    number_of(frame.image)    # the picture's place in the file, 0 for the first
    beeps(block.samples)      # the seconds at which a beep starts: 0, 0.5, 1, ... in every file

A picture is a grid of 4 x 4 black or white cells: the first is white, the other corners are black,
and the twelve between are the bits of its number. Read upside down or mirrored it gives another.
"""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import wraps
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

BITS = [(row, column) for row in range(4) for column in range(4) if {row, column} - {0, 3}]
BEEP_EVERY_S, BEEP_S, BEEP_HZ = 0.5, 0.1, 1000
LISTEN_S = 0.005


def _encoded_once(write: Callable[..., Path]) -> Callable[..., Path]:
    """Keep the bytes of what was written, for tests that want the same video: encoding is slow."""
    written: dict[str, bytes] = {}

    @wraps(write)
    def write_or_copy(path: Path, **how: Any) -> Path:
        key = f"{path.suffix} {sorted(how.items())}"
        if key not in written:
            written[key] = write(path, **how).read_bytes()
        else:
            path.write_bytes(written[key])
        return path

    return write_or_copy


@_encoded_once
def write_video(
    path: Path,
    *,
    seconds: float = 3.0,
    fps: Fraction | int = 30,
    size: tuple[int, int] = (160, 96),
    times: Sequence[float] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    gop: int = 250,
    options: Mapping[str, str] | None = None,
    rotation: float | None = None,
    mirrored: bool = False,
    aspect: Fraction | None = None,
    fill: tuple[int, int, int] | None = None,
    matrix: int | None = None,
    colors: Mapping[str, int] | None = None,
    sound: Sequence[tuple[float, float]] | None = None,
    sound_codec: str = "aac",
    sound_rate: int = 44_100,
    layout: str = "stereo",
    container_options: Mapping[str, str] | None = None,
    container_format: str | None = None,
    first_number: int = 0,
    gains: Sequence[float] | None = None,
) -> Path:
    """Write a video and return its path.

    `times` are the seconds at which pictures appear, by default `fps` a second for `seconds`; an
    empty list gives a file without pictures. `sound` are the stretches that have sound, from and to
    in seconds, by default all; an empty list gives a file without sound. A player is told to turn
    the picture by `rotation` degrees counterclockwise, and then to mirror it, to be as `size` says;
    `aspect` is the shape of its pixels; `fill` a colour to show instead of numbers; `matrix` the
    color space to write it in, 1 for BT.709; `colors` sets attributes of the codec context, which
    tell players of it. `gains` are those of each channel of sound, by default 1.
    """
    if times is None:
        times = [float(Fraction(i) / fps) for i in range(round(seconds * fps))]
    if sound is None:
        sound = [(0.0, seconds)]
    with av.open(
        str(path), "w", format=container_format, options=dict(container_options or {})
    ) as container:
        video = audio = None
        if times:
            video = container.add_stream(codec, rate=fps)
            context = video.codec_context
            turned = rotation is not None and rotation % 180
            context.width, context.height = reversed(size) if turned else size
            context.pix_fmt = pix_fmt
            context.time_base = (
                Fraction(1, 90_000) if codec not in FIXED_RATE else 1 / Fraction(fps)
            )
            context.gop_size = gop
            context.thread_count = 1
            video.options = {**DEFAULTS.get(codec, {}), **(options or {})}
            if aspect is not None:
                context.sample_aspect_ratio = aspect
            if rotation is not None:
                video.set_display_rotation(rotation, hflip=mirrored)
            for name, value in (colors or {}).items():
                setattr(context, name, value)
        if sound:
            audio = container.add_stream(sound_codec, rate=sound_rate, layout=layout)
        packets, converter = [], VideoReformatter()
        if video is not None:
            for number, time_s in enumerate(times, first_number):
                image = _laid_down(picture(number, size, fill), rotation, mirrored)
                frame = converter.reformat(
                    VideoFrame.from_ndarray(image, "rgb24"),
                    format=pix_fmt,
                    dst_colorspace=matrix,
                    threads=1,
                )
                frame.time_base = video.codec_context.time_base
                frame.pts = round(time_s / frame.time_base)
                packets += video.encode(frame)
            packets += video.encode(None)
        if audio is not None:
            for start_s, end_s in sound:
                for piece in _sound(start_s, end_s, audio.codec_context, gains):
                    packets += audio.encode(piece)
            packets += audio.encode(None)
        packets.sort(key=lambda p: float((p.dts if p.dts is not None else p.pts) * p.time_base))
        for packet in packets:
            container.mux(packet)
    return path


FIXED_RATE = ("mpeg4", "mpeg2video", "mjpeg", "gif", "wmv2", "flv1")
DEFAULTS = {
    "libx264": {"preset": "ultrafast", "crf": "18", "bf": "2", "sc_threshold": "0"},
    "libx264rgb": {"preset": "ultrafast", "sc_threshold": "0"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:crf=18"},
    "libsvtav1": {"preset": "12", "crf": "30"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
}


def write_song(path: Path, *, cover: bool = True, seconds: float = 1.0) -> Path:
    """An MP3 or M4A with the picture of its cover in it."""
    codec = "libmp3lame" if path.suffix == ".mp3" else "aac"
    with av.open(str(path), "w", format=None if path.suffix == ".mp3" else "mp4") as container:
        audio = container.add_stream(codec, rate=44_100, layout="stereo")
        packets = []
        if cover:
            video = container.add_stream("mjpeg", rate=1)
            video.width, video.height, video.pix_fmt = 64, 64, "yuvj420p"
            video.disposition = Disposition.attached_pic
            frame = VideoFrame.from_ndarray(picture(1, (64, 64)), "rgb24")
            packets += [*video.encode(frame.reformat(format="yuvj420p")), *video.encode(None)]
        for piece in _sound(0.0, seconds, audio.codec_context):
            packets += audio.encode(piece)
        packets += audio.encode(None)
        for packet in packets:
            container.mux(packet)
    return path


def join_tracks(
    path: Path,
    sources: Sequence[Path],
    *,
    languages: Mapping[int, str] | None = None,
    dispositions: Mapping[int, Disposition] | None = None,
) -> Path:
    """Put all streams of several files into one, in order, without encoding them again.

    `languages` and `dispositions` are by the number of the stream in the new file.
    """
    with contextlib.ExitStack() as stack:
        joined = stack.enter_context(av.open(str(path), "w"))
        packets = []
        for source in sources:
            container = stack.enter_context(av.open(str(source)))
            streams = {}
            for stream in container.streams:
                streams[stream.index] = new = joined.add_stream_from_template(stream)
                if language := (languages or {}).get(new.index):
                    new.metadata["language"] = language
                new.disposition = (dispositions or {}).get(new.index, Disposition.default)
            for packet in container.demux():
                if packet.size:
                    packet.stream = streams[packet.stream_index]
                    packets.append(packet)
        packets.sort(key=lambda packet: packet.dts * packet.time_base)
        for packet in packets:
            joined.mux(packet)
    return path


def set_edits(path: Path, edits: Sequence[tuple[float, float]]) -> Path:
    """Give every track of an MP4 an edit list: what is shown, from and to in seconds of its media.

    The table of contents has to be at the end of the file, where FFmpeg puts it.
    """
    data = path.read_bytes()
    start = data.index(b"moov") - 4
    moov = _with_edits(data[start:], edits, scale=_movie_scale(data))
    path.write_bytes(data[:start] + moov)
    return path


def _movie_scale(data: bytes) -> int:
    at = data.index(b"mvhd")
    return int.from_bytes(data[at + 16 : at + 20], "big")


def _with_edits(boxes: bytes, edits: Sequence[tuple[float, float]], scale: int) -> bytes:
    written, at = b"", 0
    media_scale = int.from_bytes(boxes[(m := boxes.find(b"mdhd")) + 16 : m + 20], "big")
    total = round(sum(end - start for start, end in edits) * scale)
    while at < len(boxes):
        length, kind = int.from_bytes(boxes[at : at + 4], "big"), boxes[at + 4 : at + 8]
        content = boxes[at + 8 : at + length]
        if kind == b"moov" or kind == b"trak":
            content = _with_edits(content, edits, scale)
        elif kind == b"mvhd":
            content = content[:16] + total.to_bytes(4, "big") + content[20:]
        elif kind == b"tkhd":
            content = content[:20] + total.to_bytes(4, "big") + content[24:]
        elif kind == b"edts":
            first = int.from_bytes(content[20:24], "big", signed=True)  # of the encoder's delay
            rows = b"".join(
                round((end - start) * scale).to_bytes(4, "big")
                + (first + round(start * media_scale)).to_bytes(4, "big")
                + (1 << 16).to_bytes(4, "big")
                for start, end in edits
            )
            elst = b"elst" + bytes(4) + len(edits).to_bytes(4, "big") + rows
            content = (len(elst) + 4).to_bytes(4, "big") + elst
        written += (len(content) + 8).to_bytes(4, "big") + kind + content
        at += length
    return written


def set_header_duration(path: Path, seconds: float) -> Path:
    """Make the header of a Matroska, WebM or Flash file promise another duration."""
    data = path.read_bytes()
    if path.suffix == ".flv":
        at, value = data.index(b"duration") + 9, struct.pack(">d", seconds)
    else:
        at, value = data.index(b"\x44\x89\x88") + 3, struct.pack(">d", 1000 * seconds)
    path.write_bytes(data[:at] + value + data[at + 8 :])
    return path


def make_sound_unknown(path: Path, track: int = 0) -> Path:
    """Give a sound track of an MP4 or MOV a kind that no decoder knows."""
    data = path.read_bytes()
    traks = data[data.index(b"moov") :].split(b"trak")
    at = [place for place, trak in enumerate(traks) if b"soun" in trak][track]
    traks[at] = traks[at].replace(b"mp4a", b"apac").replace(b"esds", b"free")
    path.write_bytes(data[: data.index(b"moov")] + b"trak".join(traks))
    return path


def cut(path: Path, share: float) -> Path:
    """Cut a file off, so that this share of its bytes is left."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def damage(path: Path, start: float, end: float) -> Path:
    """Put noise in place of a stretch of a file; from and to as shares of its bytes."""
    length = path.stat().st_size
    return _put_noise(path, int(length * start), int(length * end))


def damage_picture(path: Path, number: int) -> Path:
    """Put noise in place of a part of one picture of a file without reordering."""
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
    return _put_noise(path, packet.pos + packet.size // 2, packet.pos + packet.size // 2 + 20)


def damage_all(path: Path) -> Path:
    """Put noise in place of all that an MP4 shows and plays, and leave its table of contents."""
    data = path.read_bytes()
    return _put_noise(path, data.index(b"mdat") + 4, data.index(b"moov") - 4)


def _put_noise(path: Path, first: int, last: int) -> Path:
    data = bytearray(path.read_bytes())
    data[first:last] = random.Random(0).randbytes(last - first)
    path.write_bytes(data)
    return path


def picture(
    number: int, size: tuple[int, int], fill: tuple[int, int, int] | None = None
) -> npt.NDArray[np.uint8]:
    """The picture of a number, or one filled with a colour, uint8[height, width, 3]."""
    width, height = size
    if fill is not None:
        return np.full((height, width, 3), fill, np.uint8)
    cells = np.zeros((4, 4), np.uint8)
    cells[0, 0] = 255
    for bit, cell in enumerate(BITS):
        cells[cell] = 255 * (number >> bit & 1)
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    return np.repeat(cells[rows][:, columns, None], 3, axis=2)


def number_of(image: npt.NDArray[np.uint8]) -> int:
    """Read the number off a picture; -1 where its corners are not those of an upright one."""
    height, width = image.shape[:2]
    middles = [(2 * i + 1) / 8 for i in range(4)]
    light = np.array(
        [[image[int(y * height), int(x * width)].mean() > 127 for x in middles] for y in middles]
    )
    if [light[0, 0], light[0, 3], light[3, 0], light[3, 3]] != [True, False, False, False]:
        return -1
    return sum(int(light[cell]) << bit for bit, cell in enumerate(BITS))


def beeps(
    samples: npt.NDArray[np.float32], start_s: float = 0.0, rate: int = 16_000
) -> list[float]:
    """The times in seconds at which beeps start in mono sound that starts at `start_s`."""
    width = round(LISTEN_S * rate)
    whole = len(samples) // width * width
    loud = np.abs(samples[:whole]).reshape(-1, width).max(axis=1) > 0.1
    starts = np.flatnonzero(loud & ~np.concatenate([[False], loud[:-1]]))
    return [start_s + float(start) * LISTEN_S for start in starts]


def _laid_down(
    image: npt.NDArray[np.uint8], rotation: float | None, mirrored: bool
) -> npt.NDArray[np.uint8]:
    """The picture that a player shows as `image` once it has turned and then mirrored it."""
    if mirrored:
        image = image[:, ::-1]
    return np.ascontiguousarray(np.rot90(image, -round((rotation or 0) / 90)))


def _sound(
    start_s: float,
    end_s: float,
    context: av.AudioCodecContext,
    gains: Sequence[float] | None = None,
) -> list[AudioFrame]:
    """Beeps in one stretch of time, cut to frames that an encoder takes."""
    rate = context.sample_rate
    first, last = round(start_s * rate), round(end_s * rate)
    time_s = np.arange(first, last) / rate
    wave = 0.5 * np.sin(2 * np.pi * BEEP_HZ * time_s) * (time_s % BEEP_EVERY_S < BEEP_S)
    channels = len(context.layout.channels)
    frames = []
    for at in range(0, len(wave), 1024):
        part = np.repeat(wave[None, at : at + 1024].astype(np.float32), channels, axis=0)
        part *= np.array(gains or [1] * channels, np.float32)[:, None]
        frame = AudioFrame.from_ndarray(part, "fltp", context.layout.name)
        frame.sample_rate = rate
        frame.time_base = Fraction(1, rate)
        frame.pts = first + at
        frames.append(frame)
    return frames
