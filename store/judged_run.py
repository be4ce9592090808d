"""A run with all its clips: classes are judged at any thresholds without asking a platform."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

from core.classification import ClassScore, Clip, Thresholds, class_score
from store.records import Run, VideoResult
from store.results import load_run

CACHED_THRESHOLDS = 8  # paging and filtering ask again for the same thresholds


@dataclass(frozen=True)
class ClassProfile:
    """One class of one video at every clip threshold.

    `clips` are best first; `ratios`, `sustained` and `sums` at index k are the duration ratio, the
    sustained ratio and the sum of the scores of the first k + 1 clips. Any clip threshold keeps a
    prefix of the list, so judging is a look-up. It gives what `classification.judge` gives.
    """

    name: str
    clips: tuple[Clip, ...]
    ratios: tuple[float, ...]
    sustained: tuple[float, ...]
    sums: tuple[float, ...]

    @staticmethod
    def of(name: str, clips: Sequence[Clip], duration_s: float) -> ClassProfile:
        """Compute a profile, once for all thresholds."""
        ordered = sorted(
            clips, key=lambda clip: (-clip.score, clip.start, clip.end, clip.prompt, clip.option)
        )
        added_s = newly_covered(ordered)
        covered_s = accumulate(added_s)
        weighted_s = accumulate(
            seconds * clip.score for seconds, clip in zip(added_s, ordered, strict=True)
        )
        best = ordered[0].score if ordered else 0.0
        return ClassProfile(
            name,
            tuple(ordered),
            tuple(round(share(seconds, duration_s), 2) for seconds in covered_s),
            tuple(share(score_s, best * duration_s) for score_s in weighted_s),
            tuple(accumulate(clip.score for clip in ordered)),
        )

    def judge(self, thresholds: Thresholds) -> ClassScore | None:
        """The class at these thresholds; None if it does not apply."""
        kept = bisect_right(self.clips, -thresholds.min_clip_score, key=lambda clip: -clip.score)
        if not kept:
            return None
        best, ratio = self.clips[0].score, self.ratios[kept - 1]
        score = class_score(best, self.sustained[kept - 1])
        if score < thresholds.min_video_score or ratio < thresholds.min_duration_ratio:
            return None
        mean = round(self.sums[kept - 1] / kept, 2)
        return ClassScore(self.name, score, ratio, self.clips[:kept], best, mean)


def newly_covered(clips: Iterable[Clip]) -> list[float]:
    """How many seconds each clip covers that no earlier clip of the list does."""
    starts: list[float] = []
    ends: list[float] = []
    added_s = []
    for clip in clips:
        # Disjoint intervals in order; those from `first` to `last` touch the clip: merged with it.
        first, last = bisect_left(ends, clip.start), bisect_right(starts, clip.end)
        start = min([clip.start, *starts[first:last]])
        end = max([clip.end, *ends[first:last]])
        added_s.append(end - start - (sum(ends[first:last]) - sum(starts[first:last])))
        starts[first:last], ends[first:last] = [start], [end]
    return added_s


def share(part: float, whole: float) -> float:
    """A part as a share of the whole, 0-1; 0 of nothing."""
    return min(part / whole, 1.0) if whole > 0 else 0.0


class JudgedRun:
    """The videos of a results folder, judged at any thresholds.

    Where the run kept no clips below its own thresholds (`has_all_clips` is false) they are judged
    at those only.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.has_all_clips = run.all_clips is not None
        self._profiles = {
            video_id: tuple(
                ClassProfile.of(found.name, found.clips, run.details[video_id].duration_s)
                for found in classes
            )
            for video_id, classes in (run.all_clips or {}).items()
        }
        self.videos = {video.video_id: video for video in run.videos}
        self.video_names = frozenset(video.name for video in run.videos)
        self.judge = lru_cache(CACHED_THRESHOLDS)(self._judge)
        self.clip_scores = sorted(
            clip.score
            for profiles in self._profiles.values()
            for profile in profiles
            for clip in profile.clips
        )

    def _judge(self, thresholds: Thresholds) -> tuple[VideoResult, ...]:
        """Every video with the classes that apply at these thresholds.

        At the run's own thresholds, and without all clips, this is what the platform answered.
        """
        if not self.has_all_clips or thresholds == self.run.request.thresholds:
            return self.run.videos
        return tuple(
            replace(video, classes=self._classes(video.video_id, thresholds))
            for video in self.run.videos
        )

    def candidates(self, min_clip_score: float) -> tuple[VideoResult, ...]:
        """Every video with every class that has a clip from this score on."""
        return self.judge(Thresholds(0.0, min_clip_score, 0.0))

    def candidate(self, video_id: str, min_clip_score: float) -> VideoResult:
        """One video with every class that has a clip from this score on."""
        classes = self._classes(video_id, Thresholds(0.0, min_clip_score, 0.0))
        return replace(self.videos[video_id], classes=classes)

    def nearest(self, video_id: str, min_clip_score: float) -> ClassScore | None:
        """The class that comes nearest to applying: the best with a clip from that score on.

        If no class has such a clip, the best of all; None if the video has no clips.
        """
        for least in (min_clip_score, 0.0):
            if classes := self.candidate(video_id, least).classes:
                return classes[0]
        return None

    def duration_s(self, video_id: str) -> float:
        """Length of a video; the end of its last clip if the platform did not tell it."""
        details = self.run.details.get(video_id)
        if details and details.duration_s:
            return details.duration_s
        classes = self.videos[video_id].classes
        return max((clip.end for found in classes for clip in found.clips), default=0.0)

    def damage(self, video_id: str) -> str:
        """What of a video's file could not be used; "" if it is whole."""
        details = self.run.details.get(video_id)
        return details.damage if details else ""

    def _classes(self, video_id: str, thresholds: Thresholds) -> tuple[ClassScore, ...]:
        judged = (profile.judge(thresholds) for profile in self._profiles.get(video_id, ()))
        return tuple(
            sorted(
                (found for found in judged if found), key=lambda found: (-found.score, found.name)
            )
        )


def load_judged_run(folder: Path) -> JudgedRun:
    """Read a results folder with all its clips; raises ResultsMissing or ResultsBroken."""
    return JudgedRun(load_run(folder))
