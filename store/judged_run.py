"""A run with all its clips: judged again at any thresholds, without asking a platform."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

from core.classification import ClassScore, Clip, Thresholds, class_score
from store import results

HELD_JUDGEMENTS = 8  # thresholds whose verdicts are kept: paging and filtering ask for them again


@dataclass(frozen=True)
class ClassProfile:
    """One class of one video at every clip threshold.

    `clips` are best first; `ratios`, `sustained` and `sums` at place k are the duration ratio, the
    sustained ratio and the sum of the scores of the first k + 1 of them. Any clip threshold keeps a
    head of the list, so a verdict is a look-up. It is the one of `classification.judge`.
    """

    name: str
    clips: tuple[Clip, ...]
    ratios: tuple[float, ...]
    sustained: tuple[float, ...]
    sums: tuple[float, ...]

    @staticmethod
    def of(name: str, clips: Sequence[Clip], duration_s: float) -> ClassProfile:
        """Work a profile out, once for all thresholds."""
        ordered = sorted(
            clips, key=lambda clip: (-clip.score, clip.start, clip.end, clip.prompt, clip.option)
        )
        fresh_s = newly_covered(ordered)
        covered_s = accumulate(fresh_s)
        weighed = accumulate(
            seconds * clip.score for seconds, clip in zip(fresh_s, ordered, strict=True)
        )
        best = ordered[0].score if ordered else 0.0
        return ClassProfile(
            name,
            tuple(ordered),
            tuple(round(share(seconds, duration_s), 2) for seconds in covered_s),
            tuple(share(score_s, best * duration_s) for score_s in weighed),
            tuple(accumulate(clip.score for clip in ordered)),
        )

    def judge(self, thresholds: Thresholds) -> ClassScore | None:
        """The verdict at these thresholds; None where the class does not apply."""
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
    """How many seconds each clip covers that no clip before it does."""
    starts: list[float] = []
    ends: list[float] = []
    fresh_s = []
    for clip in clips:
        # Disjoint stretches in order: those from `first` to `last` touch the clip and melt into it.
        first, last = bisect_left(ends, clip.start), bisect_right(starts, clip.end)
        start = min([clip.start, *starts[first:last]])
        end = max([clip.end, *ends[first:last]])
        fresh_s.append(end - start - (sum(ends[first:last]) - sum(starts[first:last])))
        starts[first:last], ends[first:last] = [start], [end]
    return fresh_s


def share(part: float, whole: float) -> float:
    """Part of a whole, 0-1."""
    return min(part / whole, 1.0) if whole > 0 else 0.0


class Library:
    """The videos of a results folder. `is_live` says whether thresholds can be moved."""

    def __init__(
        self, run: results.Run, all_clips: Mapping[str, Sequence[ClassScore]] | None
    ) -> None:
        self.run = run
        self.is_live = all_clips is not None
        self._profiles = {
            video_id: tuple(
                ClassProfile.of(found.name, found.clips, run.details[video_id].duration_s)
                for found in classes
            )
            for video_id, classes in (all_clips or {}).items()
        }
        self.videos = {video.video_id: video for video in run.videos}
        self.judged = lru_cache(HELD_JUDGEMENTS)(self._judged)
        self.clip_scores = sorted(
            clip.score
            for profiles in self._profiles.values()
            for profile in profiles
            for clip in profile.clips
        )

    def _judged(self, thresholds: Thresholds) -> tuple[results.VideoResult, ...]:
        """Every video with the classes that apply at these thresholds.

        At the run's own thresholds, and where the run keeps no other clips, this is the answer of
        the platform as it was.
        """
        if not self.is_live or thresholds == self.run.thresholds:
            return self.run.videos
        return tuple(
            replace(video, classes=self._classes(video.video_id, thresholds))
            for video in self.run.videos
        )

    def candidates(self, min_clip_score: float) -> tuple[results.VideoResult, ...]:
        """Every video with every class that has a clip: what the other thresholds choose from."""
        return self.judged(Thresholds(0.0, min_clip_score, 0.0))

    def nearest(self, video_id: str, min_clip_score: float) -> ClassScore | None:
        """The best class of a video whatever it scores: of those with a clip from that score on.

        Where no class has one, of all; None where no clips are kept.
        """
        for least in (min_clip_score, 0.0):
            if classes := self._classes(video_id, Thresholds(0.0, least, 0.0)):
                return classes[0]
        return None

    def duration_s(self, video_id: str) -> float:
        """Length of a video; where the platform told none, the end of its last clip."""
        details = self.run.details.get(video_id)
        if details and details.duration_s:
            return details.duration_s
        classes = self.videos[video_id].classes
        return max((clip.end for found in classes for clip in found.clips), default=0.0)

    def damage(self, video_id: str) -> str:
        """What of a video's file could not be used; "" where all could."""
        details = self.run.details.get(video_id)
        return details.damage if details else ""

    def _classes(self, video_id: str, thresholds: Thresholds) -> tuple[ClassScore, ...]:
        judged = (profile.judge(thresholds) for profile in self._profiles.get(video_id, ()))
        return tuple(
            sorted(
                (found for found in judged if found), key=lambda found: (-found.score, found.name)
            )
        )


def load_library(folder: Path) -> Library:
    """Read a results folder with all its clips; raises ResultsMissing or ResultsBroken."""
    run = results.load_run(folder)
    return Library(run, results.load_all_clips(folder, run))
