"""Two versions of the results side by side: what each video and each prompt gained or lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.classification import ClassScore, Clip
from store.judged_run import JudgedRun
from store.records import VideoResult

# A prompt of at most this many words is short, or medium; a longer one is long.
SHORT_WORDS, MEDIUM_WORDS = 2, 5
LEAST_MOVE = 0.5  # points; scores are shown as whole points


@dataclass(frozen=True)
class VideoChange:
    """Classes that a video gained and lost, as (name, score), and those with another score.

    `moved` are (name, score before, score after).
    """

    video_id: str
    name: str
    gained: tuple[tuple[str, float], ...]
    lost: tuple[tuple[str, float], ...]
    moved: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Hits:
    """What a prompt found: its clips from the clip threshold on, videos with one, mean score."""

    clips: int = 0
    videos: int = 0
    mean_score: float = 0.0


@dataclass(frozen=True)
class PromptHits:
    """One prompt of one class in two versions; None for a version without it."""

    class_name: str
    prompt: str
    length: str
    before: Hits | None
    after: Hits | None


@dataclass(frozen=True)
class LengthHits:
    """All prompts of one length in one version; clips and videos are per prompt."""

    length: str
    prompts: int
    clips_each: float
    videos_each: float
    mean_score: float


@dataclass(frozen=True)
class Comparison:
    """Two versions side by side."""

    changes: tuple[VideoChange, ...]
    unchanged: int
    prompts: tuple[PromptHits, ...]
    lengths_before: tuple[LengthHits, ...]
    lengths_after: tuple[LengthHits, ...]


def compare_versions(before: JudgedRun, after: JudgedRun) -> Comparison:
    """What each video and each prompt gained or lost from one version to another."""
    changes = video_changes(before.run.videos, after.run.videos)
    hits_before, hits_after = prompt_hits(before), prompt_hits(after)
    return Comparison(
        changes=changes,
        unchanged=len(after.run.videos) - len(changes),
        prompts=tuple(
            PromptHits(
                class_name,
                prompt,
                length_of(prompt),
                hits_before.get((class_name, prompt)),
                hits_after.get((class_name, prompt)),
            )
            for class_name, prompt in dict.fromkeys([*hits_after, *hits_before])
        ),
        lengths_before=length_hits(hits_before),
        lengths_after=length_hits(hits_after),
    )


def video_changes(
    before: Sequence[VideoResult], after: Sequence[VideoResult]
) -> tuple[VideoChange, ...]:
    """The videos that changed, those with the most classes gained or lost first."""
    classes_before = {video.video_id: video.classes for video in before}
    changes = (
        video_change(video, class_scores(classes_before.get(video.video_id, ()))) for video in after
    )
    return tuple(
        sorted(
            (change for change in changes if change.gained or change.lost or change.moved),
            key=lambda change: (-len(change.gained) - len(change.lost), change.name),
        )
    )


def video_change(video: VideoResult, before: Mapping[str, float]) -> VideoChange:
    """What a video gained and lost; `before` are its class scores in the earlier version."""
    after = class_scores(video.classes)
    return VideoChange(
        video.video_id,
        video.name,
        gained=tuple((name, score) for name, score in after.items() if name not in before),
        lost=tuple((name, score) for name, score in before.items() if name not in after),
        moved=tuple(
            (name, before[name], score)
            for name, score in after.items()
            if name in before and abs(score - before[name]) >= LEAST_MOVE
        ),
    )


def class_scores(classes: Sequence[ClassScore]) -> dict[str, float]:
    """The score of each class, by name."""
    return {found.name: found.score for found in classes}


def prompt_hits(judged_run: JudgedRun) -> dict[tuple[str, str], Hits]:
    """What every prompt found, by (class, prompt) in the order of the classes."""
    clips: dict[tuple[str, str], list[tuple[str, Clip]]] = {
        (prompt_class.name, prompt): []
        for prompt_class in judged_run.run.request.classes
        for prompt in prompt_class.prompts
    }
    for video in judged_run.candidates(judged_run.run.request.thresholds.min_clip_score):
        for found in video.classes:
            for clip in found.clips:
                clips.setdefault((found.name, clip.prompt), []).append((video.video_id, clip))
    return {
        key: Hits(
            len(found),
            len({video_id for video_id, _ in found}),
            sum(clip.score for _, clip in found) / len(found) if found else 0.0,
        )
        for key, found in clips.items()
    }


def length_of(prompt: str) -> str:
    """Whether a prompt is short, medium or long, by its number of words."""
    words = len(prompt.split())
    return "short" if words <= SHORT_WORDS else "medium" if words <= MEDIUM_WORDS else "long"


def length_hits(hits: Mapping[tuple[str, str], Hits]) -> tuple[LengthHits, ...]:
    """Short, medium and long prompts compared; lengths without a prompt are left out."""
    rows = []
    for length in ("short", "medium", "long"):
        group = [found for (_, prompt), found in hits.items() if length_of(prompt) == length]
        if group:
            clips = sum(found.clips for found in group)
            rows.append(
                LengthHits(
                    length,
                    len(group),
                    clips / len(group),
                    sum(found.videos for found in group) / len(group),
                    sum(found.mean_score * found.clips for found in group) / clips
                    if clips
                    else 0.0,
                )
            )
    return tuple(rows)
