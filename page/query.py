"""What a reader asked to see: search, filters, order, thresholds; read from an address.

A selection is the whole state of the page, so that a link shows the same view.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from core.classification import ClassScore, Clip, Thresholds
from store.results import VideoResult

ANY_CLASS, NO_CLASS = "any", "none"
CLASS_PREFIX = "is:"  # before a class's name, so that a class may be called "any"
SORTS = ("score", "ratio", "name")
GROUPS = ("video", "class", "heat")
CLIP_SORTS = ("start", "score", "prompt")
LIMITS = {"min_video_score": 100.0, "min_clip_score": 100.0, "min_duration_ratio": 1.0}
LAST_PAGE = 1_000_000


class SelectionError(ValueError):
    """The address asks for what cannot be; the message names the parameter and the rule."""


@dataclass(frozen=True)
class Selection:
    """`showing` is "", ANY_CLASS, NO_CLASS or CLASS_PREFIX with a name; `option` "" or one."""

    thresholds: Thresholds
    words: str = ""
    showing: str = ""
    option: str = ""
    sort: str = "score"
    group: str = "video"
    video_id: str = ""
    page: int = 0  # 0: the one with the video, else the first

    @property
    def class_name(self) -> str:
        """The class that videos must have, or ""."""
        prefix, name = self.showing[: len(CLASS_PREFIX)], self.showing[len(CLASS_PREFIX) :]
        return name if prefix == CLASS_PREFIX else ""

    def address(self, defaults: Thresholds, **changes: object) -> str:
        """The query string that asks for this selection, with some of it changed."""
        asked = replace(self, **changes)  # type: ignore[arg-type]
        given = {
            "q": asked.words,
            "class": asked.showing,
            "evidence": asked.option,
            "sort": "" if asked.sort == "score" else asked.sort,
            "group": "" if asked.group == "video" else asked.group,
            "video": asked.video_id,
            "page": "" if asked.page < 2 else str(asked.page),
        }
        for name in LIMITS:
            value = getattr(asked.thresholds, name)
            given[name] = "" if value == getattr(defaults, name) else f"{value:g}"
        return urlencode({name: value for name, value in given.items() if value}, errors="replace")


def read_selection(given: Mapping[str, str], defaults: Thresholds) -> Selection:
    """The selection that an address gives; raises SelectionError."""
    return Selection(
        thresholds=read_thresholds(given, defaults),
        words=given.get("q", "").strip(),
        showing=given.get("class", ""),
        option=given.get("evidence", ""),
        sort=word_of(given, "sort", SORTS),
        group=word_of(given, "group", GROUPS),
        video_id=given.get("video", ""),
        page=int(number_of(given, "page", 0, LAST_PAGE)),
    )


def read_thresholds(given: Mapping[str, str], defaults: Thresholds) -> Thresholds:
    """The thresholds that an address or a form gives; raises SelectionError."""
    return Thresholds(
        **{
            name: number_of(given, name, getattr(defaults, name), most)
            for name, most in LIMITS.items()
        }
    )


def number_of(given: Mapping[str, str], name: str, default: float, most: float) -> float:
    """A number from 0 to `most`; raises SelectionError."""
    text = given.get(name, "").strip()
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= most:
        raise SelectionError(f"{name} must be a number from 0 to {most:g}, not {text!r:.40}")
    return number


def word_of(given: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    """One of `choices`, the first by default; raises SelectionError."""
    word = given.get(name, "") or choices[0]
    if word not in choices:
        raise SelectionError(f"{name} must be one of {', '.join(choices)}, not {word!r:.40}")
    return word


def select(videos: Sequence[VideoResult], wanted: Selection) -> list[VideoResult]:
    """The videos to show, in their order; their classes stay as they are."""
    words = wanted.words.casefold().split()
    order: Callable[[VideoResult], tuple[float, str]] = {
        "score": lambda video: (-_most(video, wanted, "score"), video.name),
        "ratio": lambda video: (-_most(video, wanted, "duration_ratio"), video.name),
        "name": lambda video: (0.0, video.name.casefold()),
    }[wanted.sort]
    kept = (
        video
        for video in videos
        if all(word in video.name.casefold() for word in words) and _has(video, wanted)
    )
    return sorted(kept, key=order)


def shown_classes(classes: Sequence[ClassScore], wanted: Selection) -> list[ClassScore]:
    """Those of the classes that a filter leaves."""
    name = wanted.class_name
    return [found for found in classes if not name or found.name == name]


def shown_clips(clips: Sequence[Clip], wanted: Selection) -> list[Clip]:
    """Those of the clips that a filter leaves."""
    return [clip for clip in clips if not wanted.option or clip.option == wanted.option]


def _has(video: VideoResult, wanted: Selection) -> bool:
    if wanted.showing == NO_CLASS:
        return not video.classes
    classes = shown_classes(video.classes, wanted)
    if wanted.option:
        return any(shown_clips(found.clips, wanted) for found in classes)
    return bool(classes) or not wanted.showing


def _most(video: VideoResult, wanted: Selection, what: str) -> float:
    values = (getattr(found, what) for found in shown_classes(video.classes, wanted))
    return max(values, default=-1.0)


@dataclass(frozen=True)
class ClipQuery:
    """Which clips of one video to list."""

    class_name: str = ""
    prompt: str = ""
    option: str = ""
    min_score: float = 0.0
    sort: str = "start"
    page: int = 1


def read_clip_query(given: Mapping[str, str], min_score: float) -> ClipQuery:
    """The query that an address gives; `min_score` where it gives none; raises SelectionError."""
    return ClipQuery(
        class_name=given.get("class", ""),
        prompt=given.get("prompt", ""),
        option=given.get("option", ""),
        min_score=number_of(given, "min_score", min_score, 100),
        sort=word_of(given, "sort", CLIP_SORTS),
        page=max(int(number_of(given, "page", 1, LAST_PAGE)), 1),
    )


def query_clips(classes: Sequence[ClassScore], query: ClipQuery) -> list[tuple[Clip, list[str]]]:
    """Each clip once, with the names of the classes that it is a proof of, in order."""
    names: dict[Clip, list[str]] = {}
    for found in classes:
        for clip in found.clips:
            names.setdefault(clip, []).append(found.name)
    order: Callable[[Clip], tuple[float | str, ...]] = {
        "start": lambda clip: (clip.start, clip.end, -clip.score, clip.prompt, clip.option),
        "score": lambda clip: (-clip.score, clip.start, clip.end, clip.prompt, clip.option),
        "prompt": lambda clip: (clip.prompt, clip.start, clip.end, -clip.score, clip.option),
    }[query.sort]
    kept = (
        clip
        for clip, of in names.items()
        if clip.score >= query.min_score
        and query.class_name in ("", *of)
        and query.prompt in ("", clip.prompt)
        and query.option in ("", clip.option)
    )
    return [(clip, names[clip]) for clip in sorted(kept, key=order)]
