"""Clips in the forms that other tools read: CSV, WebVTT, SRT and CMX 3600 EDL.

Pure functions from clips to text; times are seconds from the start of the video. CSV and captions
have every clip. Chapters, SRT and EDL have the stretches of each class: there the same footage
once per prompt would be in the way.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from core.classification import ClassScore, Clip

CSV_COLUMNS = (
    "video_id",
    "video_name",
    "class",
    "class_score",
    "duration_ratio",
    "start_s",
    "end_s",
    "clip_score",
    "evidence",
    "prompt",
)
# What counts the frames of these rates drops two frame numbers a minute for each 30 a second, so
# that its timecode keeps step with the clock (SMPTE ST 12-1).
DROP_FRAME_RATES = (Fraction(30_000, 1001), Fraction(60_000, 1001))
# A cell that begins with one of these is run as a formula by spreadsheets.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class NoFrameRate(ValueError):
    """An EDL counts frames, and the frame rate of the video is not known."""


@dataclass(frozen=True)
class VideoClips:
    """One video with the classes to export; 0 frames a second where the rate is not known."""

    video_id: str
    name: str
    fps: float
    classes: tuple[ClassScore, ...]

    def clips(self) -> list[tuple[Clip, tuple[str, ...]]]:
        """Each clip once, in order of time, with the names of its classes."""
        names: dict[Clip, tuple[str, ...]] = {}
        for found in self.classes:
            for clip in found.clips:
                names[clip] = (*names.get(clip, ()), found.name)
        return sorted(names.items(), key=lambda item: (item[0].start, item[0].end, -item[0].score))

    def stretches(self) -> list[Stretch]:
        """What the clips of each class cover together, in order of time; equal stretches as one."""
        names: dict[tuple[float, float], list[str]] = {}
        clips: dict[tuple[float, float], list[Clip]] = {}
        for found in self.classes:
            for run in connected(found.clips):
                span = run[0].start, max(clip.end for clip in run)
                names.setdefault(span, []).append(found.name)
                clips.setdefault(span, []).extend(run)
        return [Stretch.of(span, names[span], clips[span]) for span in sorted(names)]


@dataclass(frozen=True)
class Stretch:
    """Footage that clips of the classes `names` cover; prompts and evidence with the best first."""

    start: float
    end: float
    score: float
    names: tuple[str, ...]
    prompts: tuple[str, ...]
    evidence: tuple[str, ...]

    @staticmethod
    def of(span: tuple[float, float], names: Iterable[str], clips: Iterable[Clip]) -> Stretch:
        """What these clips, which lie in one span, are together."""
        best_first = sorted(clips, key=lambda clip: (-clip.score, clip.start, clip.prompt))
        return Stretch(
            *span,
            best_first[0].score,
            tuple(names),
            tuple(dict.fromkeys(clip.prompt for clip in best_first)),
            tuple(dict.fromkeys(clip.option for clip in best_first)),
        )

    def __str__(self) -> str:
        return _one_line(f"{', '.join(self.names)}: {', '.join(self.prompts)}")


def connected(clips: Iterable[Clip]) -> Iterator[list[Clip]]:
    """The clips in order of time, those together that overlap or touch."""
    run: list[Clip] = []
    end = 0.0
    for clip in sorted(clips, key=lambda clip: (clip.start, clip.end)):
        if run and clip.start > end:
            yield run
            run = []
        run.append(clip)
        end = max(end, clip.end)
    if run:
        yield run


def to_csv(videos: Iterable[VideoClips]) -> str:
    """One row per clip and class, with a heading; lines end as RFC 4180 has it.

    A video without a class has one row as well, and so has a class without clips: what they lack
    is empty.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS)
    writer.writeheader()
    for video in videos:
        for row in _csv_rows(video):
            writer.writerow({column: _inert(cell) for column, cell in row.items()})
    return text.getvalue()


def _csv_rows(video: VideoClips) -> Iterator[dict[str, str | float]]:
    of_video: dict[str, str | float] = {"video_id": video.video_id, "video_name": video.name}
    if not video.classes:
        yield of_video
    for found in video.classes:
        of_class = of_video | {
            "class": found.name,
            "class_score": found.score,
            "duration_ratio": found.duration_ratio,
        }
        if not found.clips:
            yield of_class
        for clip in sorted(found.clips, key=lambda clip: (clip.start, clip.end, -clip.score)):
            yield of_class | {
                "start_s": clip.start,
                "end_s": clip.end,
                "clip_score": clip.score,
                "evidence": clip.option,
                "prompt": clip.prompt,
            }


def _inert(cell: str | float) -> str | float:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell


def to_chapters(video: VideoClips) -> str:
    """WebVTT chapters: a cue per stretch, with its classes and prompts."""
    return _webvtt((stretch, [str(stretch)]) for stretch in video.stretches())


def to_captions(video: VideoClips, words_of: Callable[[Clip], str]) -> str:
    """WebVTT captions: a cue per clip, with its evidence and what was heard or read in it."""

    def lines(clip: Clip, names: Sequence[str]) -> list[str]:
        evidence = f"{clip.option.replace('_', ' ')}, {clip.score:.0f}"
        return [f"{', '.join(names)}: {clip.prompt} ({evidence})", words_of(clip)]

    return _webvtt((clip, lines(clip, names)) for clip, names in video.clips())


def _webvtt(cues: Iterable[tuple[Clip | Stretch, Sequence[str]]]) -> str:
    parts = ["WEBVTT"]
    for number, (shown, lines) in enumerate(cues, start=1):
        text = "\n".join(_vtt_text(line) for line in lines if line)
        parts.append(f"{number}\n{_times(shown, '.')}\n{text}")
    return "\n\n".join(parts) + "\n"


def to_srt(video: VideoClips) -> str:
    """A SubRip file with a cue per stretch."""
    cues = (
        f"{number}\n{_times(stretch, ',')}\n{stretch} ({stretch.score:.0f})\n"
        for number, stretch in enumerate(video.stretches(), start=1)
    )
    return "\n".join(cues)


def to_edl(video: VideoClips) -> str:
    """A CMX 3600 edit decision list: an event per stretch, laid end to end on the record side.

    Stretches are whole frames of the video's own rate, NTSC rates exactly; raises NoFrameRate.
    """
    rate = true_rate(video.fps)
    is_drop = rate in DROP_FRAME_RATES
    lines = [
        f"TITLE: {_one_line(video.name)[:70]}",
        f"FCM: {'DROP FRAME' if is_drop else 'NON-DROP FRAME'}",
    ]
    record = 0
    for number, stretch in enumerate(video.stretches(), start=1):
        first = round(Fraction(stretch.start) * rate)
        after = max(round(Fraction(stretch.end) * rate), first + 1)
        times = (first, after, record, record + after - first)
        codes = " ".join(timecode(frame, rate) for frame in times)
        lines += [
            "",
            f"{number:03}  {reel_name(video.name):<8} V     C        {codes}",
            f"* FROM CLIP NAME: {_one_line(video.name)}",
            f"* COMMENT: {stretch} ({', '.join(stretch.evidence)}, score {stretch.score:.0f})",
        ]
        record = times[-1]
    return "\r\n".join(lines) + "\r\n"


def true_rate(fps: float) -> Fraction:
    """The rate that a rounded figure stands for: 29.97 is 30000/1001; raises NoFrameRate."""
    if not fps > 0:
        raise NoFrameRate("the frame rate is not known")
    whole = round(fps)
    ntsc = Fraction(1000 * whole, 1001)
    if whole and abs(fps - ntsc) < 0.005 * whole / 30 and abs(fps - ntsc) < abs(fps - whole):
        return ntsc
    return Fraction(fps).limit_denominator(1000)


def timecode(frame: int, rate: Fraction) -> str:
    """hh:mm:ss:ff of a frame; drop-frame (with a semicolon) at 29.97 and 59.94.

    Whole hours begin again after 24, as they do on tape.
    """
    base = round(rate) or 1
    mark = ":"
    if rate in DROP_FRAME_RATES:
        mark, dropped = ";", base // 15
        a_minute = 60 * base - dropped
        ten_minutes = 10 * a_minute + dropped
        tens, rest = divmod(frame, ten_minutes)
        frame += 9 * dropped * tens + dropped * max((rest - dropped) // a_minute, 0)
    seconds, frames = divmod(frame, base)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours % 24:02}:{minute:02}:{second:02}{mark}{frames:02}"


def reel_name(name: str) -> str:
    """Eight characters at most, capitals and digits, as CMX 3600 wants a reel."""
    stem = name.rpartition("/")[2].rpartition(".")[0] or name
    return re.sub(r"[^A-Z0-9]", "", stem.upper())[:8] or "AX"


def file_names(names: Sequence[str], ending: str) -> list[str]:
    """A name for a file per video: its path with another ending, numbered where two are alike."""
    taken: set[str] = set()
    made = []
    for name in names:
        folder, slash, file_name = name.rpartition("/")
        stem = folder + slash + (file_name.rpartition(".")[0] or file_name)
        parts = [part for part in stem.split("/") if part not in ("", ".", "..")]
        base = "/".join(re.sub(r'[<>:"\\|?*\x00-\x1f]', "_", part) for part in parts) or "video"
        tries = (
            f"{base}{suffix}.{ending}" for suffix in ("", *(f" ({n})" for n in range(2, 10**6)))
        )
        chosen = next(each for each in tries if each.casefold() not in taken)
        taken.add(chosen.casefold())
        made.append(chosen)
    return made


def _times(shown: Clip | Stretch, mark: str) -> str:
    """When a cue is shown; one without length is shown by no player."""
    end = max(shown.end, shown.start + 0.001)
    return f"{_clock(shown.start, mark)} --> {_clock(end, mark)}"


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(1000 * seconds)
    whole, rest = divmod(milliseconds, 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}{mark}{rest:03}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _vtt_text(text: str) -> str:
    plain = _one_line(text).replace("&", "&amp;")
    return plain.replace("<", "&lt;").replace(">", "&gt;")
