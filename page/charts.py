"""What the page draws: histograms under the thresholds, the heat map; plain values only."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.classification import Thresholds
from store.judged_run import JudgedRun
from store.results import VideoResult

BINS = 25
HEAT_LEVELS = 10


@dataclass(frozen=True)
class HistogramBar:
    """One bar: its left edge and height, per cent of the picture, and whether it passes."""

    left: float
    height: float
    passes: bool


@dataclass(frozen=True)
class ThresholdView:
    """A threshold as a slider with what it cuts; `shown` is its value for people."""

    name: str
    label: str
    value: float
    most: float
    step: float
    shown: str
    bars: tuple[HistogramBar, ...]
    passed: str


@dataclass(frozen=True)
class HeatCell:
    """One class of one video; `level` is 0 (nothing found) to HEAT_LEVELS."""

    hue: int
    score: str
    level: int
    applies: bool


@dataclass(frozen=True)
class HeatRow:
    """One video of the heat map."""

    video_id: str
    name: str
    cells: tuple[HeatCell, ...]


def threshold_views(judged_run: JudgedRun, thresholds: Thresholds) -> tuple[ThresholdView, ...]:
    """The three sliders, each with a histogram of what it is held against."""
    candidates = judged_run.candidates(thresholds.min_clip_score)
    classes = [found for video in candidates for found in video.classes]
    scores = sorted(found.score for found in classes)
    ratios = sorted(100 * found.duration_ratio for found in classes)
    return (
        threshold_view("min_clip_score", thresholds, judged_run.clip_scores, "clips"),
        threshold_view("min_video_score", thresholds, scores, "class scores"),
        threshold_view("min_duration_ratio", thresholds, ratios, "coverages"),
    )


LABELS = {
    "min_clip_score": "Clip score",
    "min_video_score": "Class score",
    "min_duration_ratio": "Coverage",
}


def threshold_view(
    name: str, thresholds: Thresholds, ordered: Sequence[float], what: str
) -> ThresholdView:
    """One slider; `ordered` are the values it cuts, 0-100, from the least."""
    value = getattr(thresholds, name)
    is_ratio = name == "min_duration_ratio"
    cut = 100 * value if is_ratio else value
    # Rounded, because 0.29 * 100 is more than 29.
    passed = len(ordered) - bisect_left(ordered, round(cut, 9))
    return ThresholdView(
        name=name,
        label=LABELS[name],
        value=value,
        most=1 if is_ratio else 100,
        step=0.01 if is_ratio else 1,
        shown=f"{value:.0%}" if is_ratio else f"{value:g}",
        bars=histogram(ordered, cut),
        passed=f"{passed:,} of {len(ordered):,} {what}",
    )


def histogram(ordered: Sequence[float], cut: float) -> tuple[HistogramBar, ...]:
    """Bars of equal width over 0-100; heights relative to the highest, empty ones left out."""
    width = 100 / BINS
    edges = [bisect_left(ordered, width * place) for place in range(BINS)] + [len(ordered)]
    counts = [after - before for before, after in pairwise(edges)]
    highest = max(counts)
    return tuple(
        HistogramBar(
            left=round(place * width, 2),
            height=round(max(100 * count / highest, 4), 1),
            passes=width * (place + 1) > cut,
        )
        for place, count in enumerate(counts)
        if count
    )


def heat_rows(
    videos: Sequence[VideoResult],
    candidates: Iterable[VideoResult],
    hues: Mapping[str, int],
) -> tuple[HeatRow, ...]:
    """Each video's score for every class; pale where the class does not apply."""
    weak = {
        video.video_id: {found.name: found.score for found in video.classes} for video in candidates
    }
    return tuple(
        HeatRow(
            video.video_id,
            video.name,
            tuple(
                heat_cell(
                    hue,
                    applied.get(name, weak.get(video.video_id, {}).get(name, 0.0)),
                    name in applied,
                )
                for name, hue in hues.items()
            ),
        )
        for video in videos
        for applied in [{found.name: found.score for found in video.classes}]
    )


def heat_cell(hue: int, score: float, applies: bool) -> HeatCell:
    """One cell; at most a third as dark if the class does not apply."""
    level = round(score / 100 * HEAT_LEVELS)
    return HeatCell(hue, f"{score:.0f}" if score else "", level if applies else level // 3, applies)
