"""Exports clips to formats that other programs read: CSV, WebVTT, SRT and CMX 3600 EDL.

Pure functions from clips to text; times are seconds from the start of the video. CSV and captions
list every clip. Chapters, SRT and EDL list segments: the clips of a class that overlap or touch,
merged into one, because an editor has no use for the same footage once per prompt.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, count

from core.classification import ClassScore, Clip
from core.errors import UserError

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
# Drop-frame timecode: at these rates two frame numbers a minute (four at 59.94) are skipped, so
# that the timecode stays in step with the clock (SMPTE ST 12-1).
DROP_FRAME_RATES = (Fraction(30_000, 1001), Fraction(60_000, 1001))
# A spreadsheet runs a cell that begins with one of these as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
LOOKALIKES = str.maketrans({"<": "\u2039", ">": "\u203a"})
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class NoFrameRate(UserError):
    """The frame rate of the video is not known, so there can be no EDL: it counts frames."""

    title = "No edit list"
    page_status = 409


@dataclass(frozen=True)
class VideoClips:
    """One video with the classes to export; `fps` is 0 where the frame rate is not known."""

    video_id: str
    name: str
    fps: float
    classes: tuple[ClassScore, ...]

    def clips(self) -> list[tuple[Clip, tuple[str, ...]]]:
        """Every clip once, by start time, with the names of its classes."""
        names: dict[Clip, tuple[str, ...]] = {}
        for found in self.classes:
            for clip in found.clips:
                names[clip] = (*names.get(clip, ()), found.name)
        return sorted(names.items(), key=lambda item: (item[0].start, item[0].end, -item[0].score))

    def segments(self) -> list[Segment]:
        """The segments of all classes, by start time; classes with an equal segment share it."""
        names: dict[tuple[float, float], list[str]] = {}
        clips: dict[tuple[float, float], list[Clip]] = {}
        for found in self.classes:
            for group in connected(found.clips):
                span = group[0].start, max(clip.end for clip in group)
                names.setdefault(span, []).append(found.name)
                clips.setdefault(span, []).extend(group)
        return [Segment.of(span, names[span], clips[span]) for span in sorted(names)]


@dataclass(frozen=True)
class Segment:
    """Part of a video covered by clips of the classes `names`; the best prompts come first."""

    start: float
    end: float
    score: float
    names: tuple[str, ...]
    prompts: tuple[str, ...]
    evidence: tuple[str, ...]

    @staticmethod
    def of(span: tuple[float, float], names: Iterable[str], clips: Iterable[Clip]) -> Segment:
        """The segment that these clips cover; `span` is its start and end."""
        best_first = sorted(clips, key=lambda clip: (-clip.score, clip.start, clip.prompt))
        return Segment(
            *span,
            best_first[0].score,
            tuple(names),
            tuple(dict.fromkeys(clip.prompt for clip in best_first)),
            tuple(dict.fromkeys(clip.option for clip in best_first)),
        )

    def __str__(self) -> str:
        return _one_line(f"{', '.join(self.names)}: {', '.join(self.prompts)}")


def connected(clips: Iterable[Clip]) -> Iterator[list[Clip]]:
    """Groups of clips that overlap or touch, by start time."""
    group: list[Clip] = []
    end = 0.0
    for clip in sorted(clips, key=lambda clip: (clip.start, clip.end)):
        if group and clip.start > end:
            yield group
            group = []
        group.append(clip)
        end = max(end, clip.end)
    if group:
        yield group


def to_csv(videos: Iterable[VideoClips]) -> str:
    """One row per clip and class below a header row; lines end in CR LF, as RFC 4180 says.

    A video without classes gets one row too, and so does a class without clips: the columns that
    do not apply are empty.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS)
    writer.writeheader()
    for video in videos:
        for row in _csv_rows(video):
            writer.writerow({column: _without_formula(cell) for column, cell in row.items()})
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


def _without_formula(cell: str | float) -> str | float:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell


def to_chapters(video: VideoClips) -> str:
    """WebVTT chapters: a cue per segment, with its classes and prompts."""
    return _webvtt((segment, [str(segment)]) for segment in video.segments())


def to_captions(video: VideoClips, words_of: Callable[[Clip], str]) -> str:
    """WebVTT captions: a cue per clip, with its evidence and the words heard or read in it."""

    def lines(clip: Clip, names: Sequence[str]) -> list[str]:
        evidence = f"{clip.option.replace('_', ' ')}, {clip.score:.0f}"
        return [f"{', '.join(names)}: {clip.prompt} ({evidence})", words_of(clip)]

    return _webvtt((clip, lines(clip, names)) for clip, names in video.clips())


def _webvtt(cues: Iterable[tuple[Clip | Segment, Sequence[str]]]) -> str:
    parts = ["WEBVTT"]
    for number, (shown, lines) in enumerate(cues, start=1):
        text = "\n".join(_vtt_text(line) for line in lines if line)
        parts.append(f"{number}\n{_times(shown, '.')}\n{text}")
    return "\n\n".join(parts) + "\n"


def to_srt(video: VideoClips) -> str:
    """SubRip subtitles: a cue per segment, with its classes, prompts and score."""
    cues = (
        f"{number}\n{_times(segment, ',')}\n{_srt_text(str(segment))} ({segment.score:.0f})\n"
        for number, segment in enumerate(video.segments(), start=1)
    )
    return "\n".join(cues)


def to_edl(video: VideoClips) -> str:
    """A CMX 3600 edit decision list: an event per segment, one after the other on the record side.

    Times are whole frames at the video's own rate, NTSC rates exactly. Raises NoFrameRate.
    """
    rate = true_rate(video.fps)
    is_drop = rate in DROP_FRAME_RATES
    lines = [
        f"TITLE: {_one_line(video.name)[:70]}",
        f"FCM: {'DROP FRAME' if is_drop else 'NON-DROP FRAME'}",
    ]
    record = 0
    for number, segment in enumerate(video.segments(), start=1):
        first = round(Fraction(segment.start) * rate)
        after = max(round(Fraction(segment.end) * rate), first + 1)
        times = (first, after, record, record + after - first)
        codes = " ".join(timecode(frame, rate) for frame in times)
        lines += [
            "",
            f"{number:03}  {reel_name(video.name):<8} V     C        {codes}",
            f"* FROM CLIP NAME: {_one_line(video.name)}",
            f"* COMMENT: {segment} ({', '.join(segment.evidence)}, score {segment.score:.0f})",
        ]
        record = times[-1]
    return "\r\n".join(lines) + "\r\n"


def true_rate(fps: float) -> Fraction:
    """The exact rate behind a rounded one: 29.97 stands for 30000/1001. Raises NoFrameRate."""
    if not fps > 0:
        raise NoFrameRate(
            "the frame rate is not known: run pipeline.py again, so that the results hold it"
        )
    whole = round(fps)
    ntsc = Fraction(1000 * whole, 1001)
    if whole and abs(fps - ntsc) < 0.005 * whole / 30 and abs(fps - ntsc) < abs(fps - whole):
        return ntsc
    return Fraction(fps).limit_denominator(1000)


def timecode(frame: int, rate: Fraction) -> str:
    """The timecode hh:mm:ss:ff of a frame; drop-frame (hh:mm:ss;ff) at 29.97 and 59.94.

    Hours start again at 0 after 24, as they do on tape.
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
    """A reel name as CMX 3600 allows it: up to eight capital letters and digits."""
    stem = name.rpartition("/")[2].rpartition(".")[0] or name
    return re.sub(r"[^A-Z0-9]", "", stem.upper())[:8] or "AX"


def file_names(names: Sequence[str], extension: str) -> list[str]:
    """A file name per video: its path with another extension, numbered where two are the same."""
    taken: set[str] = set()
    made = []
    for name in names:
        stem = _safe_stem(name)
        numbers = chain([""], (f" ({number})" for number in count(2)))
        candidates = (f"{stem}{number}.{extension}" for number in numbers)
        chosen = next(each for each in candidates if each.casefold() not in taken)
        taken.add(chosen.casefold())
        made.append(chosen)
    return made


def _safe_stem(name: str) -> str:
    """A path without its extension, as a ZIP file may hold it for every system."""
    folder, slash, file_name = name.rpartition("/")
    stem = folder + slash + (file_name.rpartition(".")[0] or file_name)
    parts = [part for part in stem.split("/") if part not in ("", ".", "..")]
    return "/".join(re.sub(r'[<>:"\\|?*\x00-\x1f]', "_", part) for part in parts) or "video"


def _times(shown: Clip | Segment, mark: str) -> str:
    """The time line of a cue; players skip a cue without length, so it lasts a millisecond."""
    end = max(shown.end, shown.start + 0.001)
    return f"{_clock(shown.start, mark)} --> {_clock(end, mark)}"


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(1000 * seconds)
    whole, rest = divmod(milliseconds, 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}{mark}{rest:03}"


def _one_line(text: str) -> str:
    """Text without line breaks and control characters, single spaces between words."""
    return " ".join(CONTROL.sub(" ", text).split())


def _vtt_text(text: str) -> str:
    plain = _one_line(text).replace("&", "&amp;")
    return plain.replace("<", "&lt;").replace(">", "&gt;")


def _srt_text(text: str) -> str:
    """SubRip has no escapes: players would take <...> for a tag, and --> for a time line."""
    return text.translate(LOOKALIKES)
