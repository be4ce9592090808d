"""Decodes video files to frames and audio: in one pass, in file order, in bounded memory.

    for item in decode(Path("holiday.mp4"), step_s=1.0):
        if isinstance(item, Frame): ...   # item.time_s, item.image
        else: ...                         # item.start_s, item.samples

Times are seconds from the start of the file as a player shows it: the first frame or audio is at 0,
and edit lists are applied. Files may come from anyone, so only formats that contain their own media
are opened (no playlists, no image sequences), and nothing but the file itself is ever read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.media.audio import SAMPLE_RATE, AudioBlock, AudioDecoder
from engine.media.clock import Clock, duration_s
from engine.media.files import DecodeReport, MediaError, MediaInfo
from engine.media.fingerprint import fingerprint
from engine.media.frames import (
    Frame,
    FrameDecoder,
    KeyframeDecoder,
    display_size,
    jpeg,
    keyframes_suffice,
)
from engine.media.streams import Media, first_frame, language_of, opened, packets

__all__ = [
    "SAMPLE_RATE",
    "AudioBlock",
    "DecodeReport",
    "Frame",
    "MediaError",
    "MediaInfo",
    "decode",
    "fingerprint",
    "jpeg",
    "probe",
]

MAX_THREADED_PIXELS = 4096 * 2304  # larger frames take too much memory to decode several at once


def probe(path: Path) -> MediaInfo:
    """Read the properties of a file and decode its first frame; raises MediaError."""
    with opened(path) as media:
        width, height = display_size(first_frame(media), media.video)
        return MediaInfo(
            duration_s=duration_s(path, media),
            fps=media.rate,
            width=width,
            height=height,
            has_audio=media.audio is not None,
            header_s=media.header_s,
            undecodable_audio=media.undecodable_audio,
        )


def decode(
    path: Path,
    *,
    step_s: float = 1.0,
    max_side: int = 960,
    audio: bool = True,
    language: str = "",
    threads: int = 0,
    report: DecodeReport | None = None,
) -> Iterator[Frame | AudioBlock]:
    """Read a file once and yield its sampled frames and all of its audio, in file order.

    Sampled are the first frame at or after each of 0, step_s, 2 * step_s, ... A frame that is shown
    for longer than a step is given once: each lasts until the next. If the file has a keyframe in
    every step, the first keyframe at or after each is sampled instead, which saves decoding the
    others. A damaged frame is sampled only if there is no good one within half a step.

    Long sides are at most `max_side` pixels; nothing is enlarged. Gaps of up to 30 s in the audio
    become silence; after longer ones the next block starts later. `language` (ISO 639-2, like
    "eng") is preferred among several audio tracks. `threads` is for frames, 0 for one per
    processor. Raises MediaError, with the first item or a later one.
    """
    if step_s <= 0 or max_side < 1:
        raise ValueError(f"step_s={step_s} and max_side={max_side} must be above 0")
    report = report if report is not None else DecodeReport()
    frame_decoder = KeyframeDecoder if keyframes_suffice(path, step_s) else FrameDecoder
    with opened(path, audio, language) as media:
        _set_threads(media, threads)
        report.audio_language = language_of(media.audio) if media.audio else ""
        frames = frame_decoder(media, step_s, max_side, report)
        yield from _items(media, frames, report)
    if not report.sampled:
        raise MediaError("has no frame that can be decoded")


def _set_threads(media: Media, threads: int) -> None:
    is_small = media.video.width * media.video.height <= MAX_THREADED_PIXELS
    media.video.codec_context.thread_type = "AUTO" if is_small else "SLICE"
    media.video.codec_context.thread_count = threads


def _items(
    media: Media, frames: FrameDecoder, report: DecodeReport
) -> Iterator[Frame | AudioBlock]:
    clocks = {stream.index: Clock(media, stream) for stream in media.streams}
    audio = AudioDecoder(media.audio, report) if media.audio else None
    for packet in packets(media):
        end_s = clocks[packet.stream_index].settle(packet)
        report.end_s = max(report.end_s, end_s)
        if packet.stream_index == media.video.index:
            yield from frames.take(packet)
        elif audio is not None:
            yield from audio.take(packet)
    yield from frames.finish()
    if audio is not None:
        yield from audio.finish()
