"""The run as a whole: its classes, how it judged, how many videos came to what end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from core.classification import Thresholds
from page.formatting import (
    CONVERSATION_WORDS,
    counted,
    evidence_word,
    readable_duration,
    readable_time,
)
from store.records import Run, VideoResult

HUES = 8  # class colours in the stylesheet


@dataclass(frozen=True)
class ClassView:
    """A class with its prompts, its colour, and how many videos it applies to."""

    name: str
    prompts: tuple[str, ...]
    hue: int
    video_count: int


@dataclass(frozen=True)
class RunSummary:
    """A run with its videos judged at some thresholds.

    `facts` are terms with one or more lines each, `counts` numbers of videos with a label,
    `left_out` names of videos with what happened and why.
    """

    headline: str
    classes: tuple[ClassView, ...]
    facts: tuple[tuple[str, tuple[str, ...]], ...]
    counts: tuple[tuple[int, str], ...]
    left_out: tuple[tuple[str, str, str], ...]


def run_summary(run: Run, judged: Sequence[VideoResult]) -> RunSummary:
    """Summarise a run; `judged` are all its videos."""
    videos, classes = len(run.videos), len(run.request.classes)
    return RunSummary(
        headline=f"{counted(videos, 'video')}, {counted(classes, 'class')}",
        classes=class_views(run, judged),
        facts=run_facts(run),
        counts=run_counts(run, judged),
        left_out=left_out(run),
    )


def class_hues(run: Run) -> dict[str, int]:
    """The colour of each class, in the order of the classes."""
    return {found.name: position % HUES for position, found in enumerate(run.request.classes)}


def class_views(run: Run, judged: Sequence[VideoResult]) -> tuple[ClassView, ...]:
    """The classes of the run, with the number of videos they apply to."""
    hues = class_hues(run)
    applied = Counter(found.name for video in judged for found in video.classes)
    return tuple(
        ClassView(found.name, found.prompts, hues[found.name], applied[found.name])
        for found in run.request.classes
    )


def run_facts(run: Run) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """How the videos were judged, as terms with one or more lines each."""
    speech = CONVERSATION_WORDS.get(
        run.request.conversation_option, run.request.conversation_option
    )
    evidence = (
        f"{evidence_word(option)} ({speech})" if option == "conversation" else evidence_word(option)
        for option in run.request.options
    )
    platform = run.platform
    where = "on this machine" if platform.embedded else platform.url
    others = run.counts.get("other_videos_in_index", 0)
    facts = {
        "Evidence": (", ".join(evidence),),
        "Thresholds": threshold_lines(run.request.thresholds),
        "Platform": (
            f"{platform.name}, {where}",
            f"index {run.index_name}",
            *([f"{counted(others, 'other video')} in it not shown"] if others else []),
        ),
        "Models": tuple(f"{evidence_word(kind)}: {name}" for kind, name in platform.models.items()),
        "Scores": (platform.scores,) if platform.scores else (),
        "Run": (
            f"finished {readable_time(run.finished_at)}",
            f"took {readable_duration(run.elapsed_s)}",
            f"{run.counts.get('uploaded', 0)} uploaded, "
            f"{run.counts.get('already_indexed', 0)} already indexed",
        ),
    }
    return tuple((term, lines) for term, lines in facts.items() if lines)


def threshold_lines(thresholds: Thresholds) -> tuple[str, ...]:
    """The thresholds in words."""
    return (
        f"class score at least {thresholds.min_video_score:g}, "
        f"coverage at least {thresholds.min_duration_ratio:.0%}",
        f"clip score at least {thresholds.min_clip_score:g}",
    )


def run_counts(run: Run, judged: Sequence[VideoResult]) -> tuple[tuple[int, str], ...]:
    """How many videos came to what end."""
    with_class = sum(bool(video.classes) for video in judged)
    return (
        (len(judged), "classified"),
        (with_class, "with a class"),
        (len(judged) - with_class, "without one"),
        (len(run.refused), "refused"),
        (len(run.failed), "failed"),
        *([(len(run.unreadable), "unreadable")] if run.unreadable else []),
    )


def left_out(run: Run) -> tuple[tuple[str, str, str], ...]:
    """The videos that are not shown: their names with what happened and why."""
    return (
        *((entry.video_name, "Refused", entry.reason) for entry in run.refused),
        *((entry.video_name, "Failed", entry.reason) for entry in run.failed),
        *(
            (entry.video_name, "Unreadable", f"{entry.reason}: run pipeline.py again")
            for entry in run.unreadable
        ),
    )
