"""What the page draws: histograms under the thresholds, the heat map; plain values only."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.classification import Thresholds
from page.query import LIMITS
from store.judged_run import JudgedRun
from store.records import VideoResult

# Each threshold with its label and with what it is compared with.
SLIDERS = {
    "min_clip_score": ("Clip score", "clips"),
    "min_video_score": ("Class score", "class scores"),
    "min_duration_ratio": ("Coverage", "coverages"),
}
BINS = 25
HEAT_LEVELS = 10


@dataclass(frozen=True)
class HistogramBar:
    """One bar: its left edge and height in per cent of the picture, and whether it passes."""

    left: float
    height: float
    passes: bool


@dataclass(frozen=True)
class ThresholdView:
    """A threshold as a slider from 0 to `maximum`; `passed` of `total` values reach it.

    `what` names the values, `default` is the threshold of the run.
    """

    name: str
    label: str
    what: str
    value: float
    default: float
    maximum: float
    step: float
    bars: tuple[HistogramBar, ...]
    passed: int
    total: int


@dataclass(frozen=True)
class HeatCell:
    """One class of one video; `level` is 0 (nothing found) to HEAT_LEVELS."""

    hue: int
    score: float
    level: int
    applies: bool


@dataclass(frozen=True)
class HeatRow:
    """One video of the heat map; `url` is its card."""

    video: VideoResult
    url: str
    cells: tuple[HeatCell, ...]


def threshold_views(judged_run: JudgedRun, thresholds: Thresholds) -> tuple[ThresholdView, ...]:
    """The three sliders, each with a histogram of the values that it is compared with."""
    candidates = judged_run.candidates(thresholds.min_clip_score)
    classes = [found for video in candidates for found in video.classes]
    values = {
        "min_clip_score": judged_run.clip_scores,
        "min_video_score": sorted(found.score for found in classes),
        "min_duration_ratio": sorted(100 * found.duration_ratio for found in classes),
    }
    defaults = judged_run.run.request.thresholds
    return tuple(
        threshold_view(name, getattr(thresholds, name), getattr(defaults, name), ordered)
        for name, ordered in values.items()
    )


def threshold_view(
    name: str, value: float, default: float, ordered: Sequence[float]
) -> ThresholdView:
    """One slider; `ordered` are the values that it is compared with, 0-100, ascending."""
    label, what = SLIDERS[name]
    maximum = LIMITS[name]
    # Rounded, because 0.29 * 100 is more than 29.
    cut = round(100 * value / maximum, 9)
    return ThresholdView(
        name=name,
        label=label,
        what=what,
        value=value,
        default=default,
        maximum=maximum,
        step=maximum / 100,
        bars=histogram(ordered, cut),
        passed=len(ordered) - bisect_left(ordered, cut),
        total=len(ordered),
    )


def histogram(ordered: Sequence[float], cut: float) -> tuple[HistogramBar, ...]:
    """Bars of equal width over 0-100; heights relative to the highest, empty ones left out."""
    width = 100 / BINS
    edges = [bisect_left(ordered, width * position) for position in range(BINS)] + [len(ordered)]
    counts = [after - before for before, after in pairwise(edges)]
    highest = max(counts)
    return tuple(
        HistogramBar(
            left=round(position * width, 2),
            height=round(max(100 * count / highest, 4), 1),
            passes=width * (position + 1) > cut,
        )
        for position, count in enumerate(counts)
        if count
    )


def heat_rows(
    videos: Iterable[tuple[VideoResult, str]],
    candidates: Iterable[VideoResult],
    hues: Mapping[str, int],
) -> tuple[HeatRow, ...]:
    """The score of every class in each video, given with a URL; paler if it does not apply.

    `candidates` are all videos with the classes that have clips but may not apply.
    """
    weak = {video.video_id: class_scores(video) for video in candidates}
    return tuple(
        HeatRow(video, url, heat_cells(class_scores(video), weak.get(video.video_id, {}), hues))
        for video, url in videos
    )


def class_scores(video: VideoResult) -> dict[str, float]:
    """The scores of a video's classes by name."""
    return {found.name: found.score for found in video.classes}


def heat_cells(
    applied: Mapping[str, float], weak: Mapping[str, float], hues: Mapping[str, int]
) -> tuple[HeatCell, ...]:
    """A cell for every class; `applied` and `weak` are scores by class name."""
    return tuple(
        heat_cell(hue, applied.get(name, weak.get(name, 0.0)), name in applied)
        for name, hue in hues.items()
    )


def heat_cell(hue: int, score: float, applies: bool) -> HeatCell:
    """One cell; at most a third as dark if the class does not apply."""
    level = round(score / 100 * HEAT_LEVELS)
    return HeatCell(hue, score, level if applies else level // 3, applies)
