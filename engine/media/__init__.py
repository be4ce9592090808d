"""Video files in, pictures and sound out: one pass over a file, in file order, in bounded memory.

    for item in decode(Path("holiday.mp4"), step_s=1.0):
        if isinstance(item, Frame): ...   # item.time_s, item.image
        else: ...                         # item.start_s, item.samples

Times are seconds from the start of the file as a player shows it: the earliest picture or sound is
at 0, and edit lists are applied. Files come from anyone, so only formats that hold their own media
are opened (no playlists, no image sequences), and nothing but the file itself is ever read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.media.clock import Clock, duration_s
from engine.media.files import DecodeReport, MediaError, MediaInfo
from engine.media.fingerprint import fingerprint
from engine.media.pictures import (
    Frame,
    Keyframes,
    Pictures,
    display_size,
    jpeg,
    keyframes_suffice,
)
from engine.media.sound import SAMPLE_RATE, AudioBlock, Sound
from engine.media.streams import first_picture, opened, packets

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

FRAME_THREADS_UP_TO = 4096 * 2304  # pixels; above, each further picture in work takes much memory


def probe(path: Path) -> MediaInfo:
    """Read what a file is and decode its first picture; raises MediaError."""
    with opened(path) as media:
        width, height = display_size(first_picture(media), media.video)
        return MediaInfo(
            duration_s=duration_s(path, media),
            fps=media.rate,
            width=width,
            height=height,
            has_audio=media.sound is not None,
            promised_s=media.promised_s,
            undecodable_sound=media.undecodable_sound,
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
    """Read a file once and yield its sampled pictures and all of its sound, in file order.

    The pictures are the first one at or after each of 0, step_s, 2 * step_s, ... A picture that
    stands longer than a step is given once: each lasts until the next. Where the file has a
    keyframe in every step, the first keyframe at or after each is taken instead, because that
    spares decoding the rest. A damaged picture is taken only when half a step brings no good one.

    Long sides are at most `max_side` pixels; nothing is enlarged. Gaps of up to 30 s in the sound
    are silence; after longer ones the next block starts later. Of several sound tracks one in
    `language` (ISO 639-2, as "eng") is taken before others. `threads` is for the pictures, 0 for
    one per processor. Raises MediaError, when the first item is asked for or later.
    """
    if step_s <= 0 or max_side < 1:
        raise ValueError(f"step_s={step_s} and max_side={max_side} must be above 0")
    report = report if report is not None else DecodeReport()
    keyframes = keyframes_suffice(path, step_s)
    with opened(path, audio, language) as media:
        small = media.video.width * media.video.height <= FRAME_THREADS_UP_TO
        media.video.codec_context.thread_type = "AUTO" if small else "SLICE"
        media.video.codec_context.thread_count = threads
        clocks = {stream.index: Clock(media, stream) for stream in media.streams}
        pictures = (Keyframes if keyframes else Pictures)(media, step_s, max_side, report)
        sound = Sound(media.sound, report) if media.sound else None
        for packet in packets(media):
            end_s = clocks[packet.stream_index].settle(packet)
            report.end_s = max(report.end_s, end_s)
            if packet.stream_index == media.video.index:
                yield from pictures.take(packet)
            elif sound is not None:
                yield from sound.take(packet)
        yield from pictures.finish()
        if sound is not None:
            yield from sound.finish()
    if not report.sampled:
        raise MediaError("has no picture that can be decoded")
