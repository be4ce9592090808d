"""What the user wants to see: search, filters, order, thresholds; read from a query string.

A view query is the whole state of the page, so that a link shows the same view.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from core.classification import ClassScore, Clip, Thresholds
from core.errors import UserError
from store.records import VideoResult

ANY_CLASS, NO_CLASS = "any", "none"
CLASS_PREFIX = "is:"  # before the name of a class that is called "any" or "none"
SORTS = ("score", "ratio", "name")
GROUPS = ("video", "class", "heat")
CLIP_SORTS = ("start", "score", "prompt")
LIMITS = {"min_video_score": 100.0, "min_clip_score": 100.0, "min_duration_ratio": 1.0}
LAST_PAGE = 1_000_000


class QueryError(UserError):
    """A query parameter is wrong; the message names it and the rule."""

    title = "Invalid URL"


def class_filter(name: str) -> str:
    """The value of the parameter `class` that stands for the class of this name."""
    is_ambiguous = name in (ANY_CLASS, NO_CLASS) or name.startswith(CLASS_PREFIX)
    return CLASS_PREFIX + name if is_ambiguous else name


def read_class_filter(given: Mapping[str, str]) -> str:
    """The parameter `class` as `class_filter` writes it."""
    text = given.get("class", "")
    is_prefixed = text.startswith(CLASS_PREFIX)
    return class_filter(text.removeprefix(CLASS_PREFIX)) if is_prefixed else text


@dataclass(frozen=True)
class ViewQuery:
    """What the page shows. A text filter that is "" filters nothing.

    `class_filter` is ANY_CLASS, NO_CLASS or that of a class; `evidence` is an option of
    classification.
    """

    thresholds: Thresholds
    search: str = ""
    class_filter: str = ""
    evidence: str = ""
    sort: str = "score"
    group: str = "video"
    video_id: str = ""
    page: int = 0  # 0: the page with the video, else the first

    @property
    def class_name(self) -> str:
        """The class that must apply to the videos, or ""."""
        is_name = self.class_filter not in (ANY_CLASS, NO_CLASS)
        return self.class_filter.removeprefix(CLASS_PREFIX) if is_name else ""

    def parameters(self, defaults: Thresholds, **changes: object) -> dict[str, str]:
        """The query parameters of this view with changes; those at their defaults are left out."""
        changed = replace(self, **changes)  # type: ignore[arg-type]
        given = {
            "q": changed.search,
            "class": changed.class_filter,
            "evidence": changed.evidence,
            "sort": "" if changed.sort == SORTS[0] else changed.sort,
            "group": "" if changed.group == GROUPS[0] else changed.group,
            "video": changed.video_id,
            "page": "" if changed.page < 2 else str(changed.page),
        }
        for name in LIMITS:
            value = getattr(changed.thresholds, name)
            given[name] = "" if value == getattr(defaults, name) else f"{value:g}"
        return {name: value for name, value in given.items() if value}


def read_view_query(given: Mapping[str, str], defaults: Thresholds) -> ViewQuery:
    """The view that query parameters ask for; raises QueryError."""
    return ViewQuery(
        thresholds=read_thresholds(given, defaults),
        search=given.get("q", "").strip(),
        class_filter=read_class_filter(given),
        evidence=given.get("evidence", ""),
        sort=word_of(given, "sort", SORTS),
        group=word_of(given, "group", GROUPS),
        video_id=given.get("video", ""),
        page=int(number_of(given, "page", 0, LAST_PAGE)),
    )


def read_thresholds(given: Mapping[str, str], defaults: Thresholds) -> Thresholds:
    """The thresholds given by query parameters or a form; raises QueryError."""
    return Thresholds(
        **{
            name: number_of(given, name, getattr(defaults, name), maximum)
            for name, maximum in LIMITS.items()
        }
    )


def number_of(given: Mapping[str, str], name: str, default: float, maximum: float) -> float:
    """A number from 0 to `maximum`; raises QueryError."""
    text = given.get(name, "").strip()
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= maximum:
        raise QueryError(f"{name} must be a number from 0 to {maximum:g}, not {text!r:.40}")
    return number


def word_of(given: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    """One of `choices`, the first by default; raises QueryError."""
    word = given.get(name, "") or choices[0]
    if word not in choices:
        raise QueryError(f"{name} must be one of {', '.join(choices)}, not {word!r:.40}")
    return word


def matching_videos(videos: Sequence[VideoResult], query: ViewQuery) -> list[VideoResult]:
    """The videos to show, in order; their classes stay as they are."""
    words = query.search.casefold().split()
    order: Callable[[VideoResult], tuple[float, str]] = {
        "score": lambda video: (-_highest(video, query, "score"), video.name),
        "ratio": lambda video: (-_highest(video, query, "duration_ratio"), video.name),
        "name": lambda video: (0.0, video.name.casefold()),
    }[query.sort]
    kept = (
        video
        for video in videos
        if all(word in video.name.casefold() for word in words) and _matches(video, query)
    )
    return sorted(kept, key=order)


def filtered_classes(classes: Sequence[ClassScore], query: ViewQuery) -> list[ClassScore]:
    """The classes that pass the filter."""
    name = query.class_name
    return [found for found in classes if not name or found.name == name]


def filtered_clips(clips: Sequence[Clip], query: ViewQuery) -> list[Clip]:
    """The clips that pass the filter."""
    return [clip for clip in clips if not query.evidence or clip.option == query.evidence]


def _matches(video: VideoResult, query: ViewQuery) -> bool:
    if query.class_filter == NO_CLASS:
        return not video.classes
    classes = filtered_classes(video.classes, query)
    if query.evidence:
        return any(filtered_clips(found.clips, query) for found in classes)
    return bool(classes) or not query.class_filter


def _highest(video: VideoResult, query: ViewQuery, what: str) -> float:
    values = (getattr(found, what) for found in filtered_classes(video.classes, query))
    return max(values, default=-1.0)


@dataclass(frozen=True)
class ClipQuery:
    """Which clips of one video to list."""

    class_name: str = ""
    prompt: str = ""
    evidence: str = ""
    min_score: float = 0.0
    sort: str = "start"
    page: int = 1


def read_clip_query(given: Mapping[str, str], min_score: float) -> ClipQuery:
    """The clips that query parameters ask for; `min_score` is the default; raises QueryError."""
    return ClipQuery(
        class_name=given.get("class", "").removeprefix(CLASS_PREFIX),
        prompt=given.get("prompt", ""),
        evidence=given.get("evidence", ""),
        min_score=number_of(given, "min_score", min_score, 100),
        sort=word_of(given, "sort", CLIP_SORTS),
        page=max(int(number_of(given, "page", 1, LAST_PAGE)), 1),
    )


def query_clips(classes: Sequence[ClassScore], query: ClipQuery) -> list[tuple[Clip, list[str]]]:
    """Each clip once, in order, with the names of the classes that it proves."""
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
        and query.evidence in ("", clip.option)
    )
    return [(clip, names[clip]) for clip in sorted(kept, key=order)]
