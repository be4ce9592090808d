"""One video as the page shows it: classes, best clips, timeline, all clips; plain values only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from core.classification import ClassScore, Clip, top_clips
from page.formatting import counted, end_clock, evidence_word, plain_seconds, span
from page.query import ClipQuery, ViewQuery, filtered_classes, filtered_clips, query_clips
from store.results import VideoResult

CLIPS_PER_PAGE = 50
MOST_BARS = 400  # in one lane; more would be narrower than a pixel

WordsOf = Callable[[Clip], str]


@dataclass(frozen=True)
class ScoreView:
    """A class that applies to one video; percentages are lengths of bars, 0-100."""

    name: str
    hue: int
    score: str
    score_percent: float
    ratio: str
    ratio_percent: float


@dataclass(frozen=True)
class ClipView:
    """A clip as a link into its video; `start` and `end` are seconds, `span` is for people."""

    start: str
    end: str
    span: str
    middle: str
    prompt: str
    option: str
    evidence: str
    class_names: str
    hue: int
    score: str
    exact_score: float
    names: tuple[str, ...]
    words: str = ""


@dataclass(frozen=True)
class BarView:
    """A clip in a lane: where it stands, per cent of the video, and how opaque, 0-1."""

    clip: ClipView
    left: float
    width: float
    opacity: float


@dataclass(frozen=True)
class LaneView:
    """A class of one video as a lane of a timeline."""

    name: str
    hue: int
    bars: tuple[BarView, ...]


@dataclass(frozen=True)
class NearestClass:
    """The class that comes nearest to applying, of a video without one, and what it reached."""

    name: str
    hue: int
    reached: str


@dataclass(frozen=True)
class Card:
    """One video with its classes, its best clips and its timeline."""

    anchor: str
    video_id: str
    name: str
    folder: str
    file_name: str
    duration: str
    duration_s: str
    classes: tuple[ScoreView, ...]
    clips: tuple[ClipView, ...]
    lanes: tuple[LaneView, ...]
    clip_count: str
    nearest: NearestClass | None = None


@dataclass(frozen=True)
class ClipPage:
    """One page of the clips of a video; `total` counts all pages."""

    clips: tuple[ClipView, ...]
    page: int
    pages: int
    total: int


def video_card(
    place: int,
    video: VideoResult,
    duration_s: float,
    hues: Mapping[str, int],
    query: ViewQuery | None = None,
    words_of: WordsOf | None = None,
) -> Card:
    """One video's card; its clips are the best three with distinct prompts, over all classes.

    A filter by class or by evidence leaves only what it names among clips and lanes.
    """
    folder, slash, file_name = video.name.rpartition("/")
    classes = list(video.classes)
    if query is not None:
        classes = [
            replace(found, clips=tuple(filtered_clips(found.clips, query)))
            for found in filtered_classes(classes, query)
        ]
    by_prompt = classes_by_prompt(classes)
    total = len({clip for found in classes for clip in found.clips})
    return Card(
        anchor=f"video-{place}",
        video_id=video.video_id,
        name=video.name,
        folder=folder + slash,
        file_name=file_name,
        duration=end_clock(duration_s),
        duration_s=plain_seconds(duration_s),
        classes=tuple(score_view(found, hues) for found in video.classes),
        clips=tuple(
            clip_view(clip, by_prompt[clip.prompt], hues, words_of) for clip in top_clips(classes)
        ),
        lanes=tuple(lane_view(found, duration_s, hues) for found in classes if found.clips),
        clip_count=counted(total, "clip"),
    )


def classes_by_prompt(classes: Sequence[ClassScore]) -> dict[str, list[str]]:
    """The names of the classes whose clips have a prompt."""
    names: dict[str, list[str]] = {}
    for found in classes:
        for prompt in {clip.prompt for clip in found.clips}:
            names.setdefault(prompt, []).append(found.name)
    return names


def score_view(found: ClassScore, hues: Mapping[str, int]) -> ScoreView:
    """One class of one video, rounded to whole points and per cent."""
    return ScoreView(
        name=found.name,
        hue=hues.get(found.name, 0),
        score=f"{found.score:.0f}",
        score_percent=found.score,
        ratio=f"{found.duration_ratio:.0%}",
        ratio_percent=100 * found.duration_ratio,
    )


def nearest_class(
    found: ClassScore, min_clip_score: float, hues: Mapping[str, int]
) -> NearestClass:
    """A class that does not apply; rounded down, so that it does not seem to reach a threshold."""
    if found.max_score < min_clip_score:
        reached = f"its best clip scores {math.floor(found.max_score)}"
    else:
        reached = f"score {math.floor(found.score)}, {found.duration_ratio:.0%} of the video"
    return NearestClass(found.name, hues.get(found.name, 0), reached)


def clip_view(
    clip: Clip, class_names: Sequence[str], hues: Mapping[str, int], words_of: WordsOf | None = None
) -> ClipView:
    """One clip with the classes that its prompt proves."""
    return ClipView(
        start=plain_seconds(clip.start),
        end=plain_seconds(clip.end),
        span=span(clip.start, clip.end),
        middle=plain_seconds((clip.start + clip.end) / 2),
        prompt=clip.prompt,
        option=clip.option,
        evidence=evidence_word(clip.option),
        class_names=", ".join(class_names),
        hue=hues.get(class_names[0], 0),
        score=f"{clip.score:.0f}",
        exact_score=clip.score,
        names=tuple(class_names),
        words=words_of(clip) if words_of else "",
    )


def lane_view(found: ClassScore, duration_s: float, hues: Mapping[str, int]) -> LaneView:
    """The clips of a class along the video; of too many the best."""
    best = sorted(found.clips, key=lambda clip: -clip.score)[:MOST_BARS]
    percent = 100 / duration_s if duration_s else 0.0
    # The weakest first: where clips overlap the strongest is the one that is seen.
    return LaneView(
        found.name,
        hues.get(found.name, 0),
        tuple(
            BarView(
                clip_view(clip, [found.name], hues),
                left=round(clip.start * percent, 3),
                width=round(max((clip.end - clip.start) * percent, 0.4), 3),
                opacity=round(0.25 + 0.75 * (clip.score / 100) ** 2, 2),
            )
            for clip in reversed(best)
        ),
    )


def clip_page(
    video: VideoResult, query: ClipQuery, hues: Mapping[str, int], words_of: WordsOf
) -> ClipPage:
    """One page of the clips that a query asks for."""
    found = query_clips(video.classes, query)
    first = (query.page - 1) * CLIPS_PER_PAGE
    return ClipPage(
        clips=tuple(
            clip_view(clip, names, hues, words_of)
            for clip, names in found[first : first + CLIPS_PER_PAGE]
        ),
        page=query.page,
        pages=max(-(-len(found) // CLIPS_PER_PAGE), 1),
        total=len(found),
    )
