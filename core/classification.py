"""Pure maths on clips: how much of a video they cover, what a class scores, which classes apply.

Nothing here knows a model, a file or a network. The embedded engine and the v1.3 client both
turn what they found into clips and leave the judging to this module, so that the same clips get
the same verdict on every platform.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Annotated, Any

from msgspec import Meta, Struct, structs

# What a value may be; held wherever one is read from a file or about to be written to one.
NonNegative = Annotated[float, Meta(ge=0.0, le=sys.float_info.max)]  # and finite
Seconds = NonNegative
Score = Annotated[float, Meta(ge=0.0, le=100.0)]
Ratio = Annotated[float, Meta(ge=0.0, le=1.0)]

# What a class gains or loses over its best clip for the share of the video it covers, as
# (duration ratio, points). The vendor never published its formula; these are the steps read off
# 34 recorded answers of its v1.1/v1.2 API, straight lines between them.
COVERAGE_POINTS: tuple[tuple[float, float], ...] = (
    (0.0, -6.0),
    (0.11, -5.5),
    (0.18, -4.3),
    (0.33, -2.6),
    (0.45, 0.0),
    (0.51, 2.0),
    (0.58, 4.8),
    (0.68, 7.4),
    (0.75, 8.8),
    (0.85, 10.5),
    (1.0, 10.5),
)
# The recorded class scores follow best clip and bonus up to about 97.
ROOM_FROM = 95.0
# More than a duration ratio gains by being rounded.
MOST_ROUNDED = 0.01


class Clip(Struct, frozen=True, gc=False):
    """A part of a video that matches a prompt; it does not end before it starts.

    A struct and no dataclass, because results hold a hundred thousand clips.
    """

    start: Seconds
    end: Seconds
    score: Score
    option: str
    prompt: str

    def as_json(self) -> dict[str, Any]:
        """The clip as the API and the results files give it."""
        return structs.asdict(self)


@dataclass(frozen=True)
class Thresholds:
    """What a class needs to apply; the defaults are those the v1.1.2 documentation prints."""

    min_video_score: Score = 75.0
    min_clip_score: Score = 65.0
    min_duration_ratio: Ratio = 0.5


@dataclass(frozen=True)
class ClassScore:
    """A class that applies to a video, with its proof."""

    name: str
    score: Score
    duration_ratio: Ratio
    clips: tuple[Clip, ...]
    max_score: Score
    avg_score: Score


def union(intervals: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Merge overlapping and touching intervals; the result is disjoint and in order."""
    merged: list[tuple[float, float]] = []
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def duration_ratio(clips: Iterable[Clip], duration_s: float) -> float:
    """Share of the video that the clips cover together, 0-1, rounded to two places.

    Clips of different prompts overlap, so their union counts and not their sum. It is rounded here,
    before any threshold sees it, so that a class shown with 0.5 is one that was judged with 0.5.
    """
    if duration_s <= 0:
        return 0.0
    covered_s = sum(end - start for start, end in union((clip.start, clip.end) for clip in clips))
    return round(min(covered_s / duration_s, 1.0), 2)


def coverage_bonus(ratio: float) -> float:
    """Points that a duration ratio adds to (or takes from) the best clip of a class."""
    for (left, low), (right, high) in pairwise(COVERAGE_POINTS):
        if ratio <= right:
            return low + (high - low) * (ratio - left) / (right - left)
    return COVERAGE_POINTS[-1][1]


def class_score(best: float, ratio: float) -> float:
    """A class's score, 0-100, from its best clip and its duration ratio.

    Clip and bonus together may pass 100. From `ROOM_FROM` on they are pressed into the room that
    is left: better stays better, and two good classes do not tie.
    """
    total = max(best + coverage_bonus(ratio), 0.0)
    if total > ROOM_FROM:
        room = 100.0 - ROOM_FROM
        total = 100.0 - room * math.exp((ROOM_FROM - total) / room)
    return round(total, 2)


def sustained_ratio(clips: Sequence[Clip], duration_s: float) -> float:
    """Share of the video, 0-1, that the clips cover, weaker clips in proportion to the best.

    Where all clips score the same this is their duration ratio. With thresholds that let the
    weakest clips in, it still tells a class that lasts from one that only flashes up.
    """
    best = max((clip.score for clip in clips), default=0.0)
    if best <= 0 or duration_s <= 0:
        return 0.0
    edges = sorted({edge for clip in clips for edge in (clip.start, clip.end)})
    place = {edge: at for at, edge in enumerate(edges)}
    levels = [0.0] * len(edges)
    for clip in sorted(clips, key=lambda clip: clip.score):
        first, after = place[clip.start], place[clip.end]
        levels[first:after] = [clip.score] * (after - first)
    lengths = (end - start for start, end in pairwise(edges))
    covered = sum(level * length for level, length in zip(levels, lengths, strict=False))
    return min(covered / best / duration_s, 1.0)


def least_seconds(duration_s: float, thresholds: Thresholds) -> float:
    """What the lengths of a class's clips come to, in seconds, if it applies to a video.

    Clips cover no more than the sum of their lengths: one look at it spares most classes the rest.
    """
    return (thresholds.min_duration_ratio - MOST_ROUNDED) * duration_s


def judge(
    name: str, clips: Sequence[Clip], duration_s: float, thresholds: Thresholds
) -> ClassScore | None:
    """Judge one class by its clips; None where it does not apply.

    Clips below `min_clip_score` are dropped first: neither the score nor the ratio counts them.
    """
    kept = [clip for clip in clips if clip.score >= thresholds.min_clip_score]
    if not kept:
        return None
    ratio = duration_ratio(kept, duration_s)
    if ratio < thresholds.min_duration_ratio:
        return None
    kept.sort(key=lambda clip: (-clip.score, clip.start, clip.end, clip.prompt, clip.option))
    best = kept[0].score
    score = class_score(best, sustained_ratio(kept, duration_s))
    if score < thresholds.min_video_score:
        return None
    mean = sum(clip.score for clip in kept) / len(kept)
    return ClassScore(name, score, ratio, tuple(kept), best, round(mean, 2))


def classify(
    clips_by_class: Mapping[str, Sequence[Clip]], duration_s: float, thresholds: Thresholds
) -> list[ClassScore]:
    """Judge every class of one video; those that apply, best first, equal scores by name."""
    judged = (judge(name, clips, duration_s, thresholds) for name, clips in clips_by_class.items())
    return sorted(
        (result for result in judged if result), key=lambda result: (-result.score, result.name)
    )


def top_clips(classes: Iterable[ClassScore], count: int = 3) -> tuple[Clip, ...]:
    """The best clips of these classes, each of another prompt, best first.

    Of equal scores the earlier start goes first, then the shorter clip, then the prompt and the
    option in alphabetical order, so that the choice never depends on the order of the clips.
    """
    ranked = sorted(
        (clip for found in classes for clip in found.clips),
        key=lambda clip: (
            -clip.score,
            clip.start,
            clip.end - clip.start,
            clip.prompt,
            clip.option,
        ),
    )
    best_by_prompt: dict[str, Clip] = {}
    for clip in ranked:
        best_by_prompt.setdefault(clip.prompt, clip)
    return tuple(islice(best_by_prompt.values(), count))


def normalized_scores(scores: Sequence[float]) -> list[float]:
    """Each score's share of the classes that apply to one video, 0-100; 100 for a single one."""
    total = sum(scores)
    return [100.0 * score / total if total else 0.0 for score in scores]
