"""What the page shows, worked out from a run: plain functions to plain values.

Everything is rounded, worded and put in order here, so that the templates only lay it out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import results
from classification import ClassScore, Clip, Thresholds

OPTION_WORDS = {
    "visual": "picture",
    "conversation": "speech",
    "text_in_video": "text on screen",
    "text": "meaning of words",
}
CONVERSATION_WORDS = {"semantic": "by meaning", "exact_match": "by exact words"}

HUES = 8  # the stylesheet has so many class colours
MOST_OPEN_CLASSES = 9  # with more, their prompts would push the videos off the first screens


@dataclass(frozen=True)
class CriterionView:
    """A class as described: its prompts, its colour, and how many videos it applies to."""

    name: str
    prompts: tuple[str, ...]
    hue: int
    videos: str


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
    prompt: str
    option: str
    evidence: str
    class_names: str
    hue: int
    score: str


@dataclass(frozen=True)
class Card:
    """One video with its classes and its best clips."""

    anchor: str
    name: str
    folder: str
    file_name: str
    classes: tuple[ScoreView, ...]
    clips: tuple[ClipView, ...]


@dataclass(frozen=True)
class PageView:
    """Everything on the page but the state of the video files."""

    headline: str
    prompts_are_open: bool
    criteria: tuple[CriterionView, ...]
    facts: tuple[tuple[str, tuple[str, ...]], ...]
    counts: tuple[tuple[int, str], ...]
    left_out: tuple[tuple[str, str, str], ...]
    cards: tuple[Card, ...]
    min_video_score: float
    min_ratio_percent: float


def page_view(run: results.Run) -> PageView:
    """Lay a run out for the page: videos by their best class, those without one last, by name."""
    hues = {criterion.name: place % HUES for place, criterion in enumerate(run.classes)}
    applied = Counter(found.name for video in run.videos for found in video.classes)
    ranked = sorted(
        run.videos,
        key=lambda video: (-max((c.score for c in video.classes), default=-1), video.name),
    )
    return PageView(
        headline=f"{counted(len(run.videos), 'video')}, {counted(len(run.classes), 'class')}",
        prompts_are_open=len(run.classes) <= MOST_OPEN_CLASSES,
        criteria=tuple(
            CriterionView(
                criterion.name,
                criterion.prompts,
                hues[criterion.name],
                counted(applied[criterion.name], "video"),
            )
            for criterion in run.classes
        ),
        facts=run_facts(run),
        counts=run_counts(run),
        left_out=tuple(
            (entry.video_name, what, entry.reason)
            for what, entries in (("Refused", run.refused), ("Failed", run.failed))
            for entry in entries
        ),
        cards=tuple(video_card(place, video, hues) for place, video in enumerate(ranked, start=1)),
        min_video_score=run.thresholds.min_video_score,
        min_ratio_percent=100 * run.thresholds.min_duration_ratio,
    )


def run_facts(run: results.Run) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """How the videos were judged, as terms with one or more lines each."""
    speech = CONVERSATION_WORDS.get(run.conversation_option, run.conversation_option)
    evidence = (
        f"{evidence_word(option)} ({speech})" if option == "conversation" else evidence_word(option)
        for option in run.options
    )
    platform = run.platform
    where = "on this machine" if platform.embedded else platform.url
    others = run.counts.get("other_videos_in_index", 0)
    facts = {
        "Evidence": (", ".join(evidence),),
        "Thresholds": threshold_lines(run.thresholds),
        "Platform": (
            f"{platform.name}, {where}",
            f"index {run.index_name}",
            *([f"{counted(others, 'other video')} in it left out"] if others else []),
        ),
        "Models": tuple(f"{evidence_word(kind)}: {name}" for kind, name in platform.models.items()),
        "Run": (
            f"finished {spoken_time(run.finished_at)}",
            f"took {spoken_duration(run.elapsed_s)}",
            f"{run.counts.get('uploaded', 0)} uploaded, "
            f"{run.counts.get('already_indexed', 0)} indexed before",
        ),
    }
    return tuple((term, lines) for term, lines in facts.items() if lines)


def threshold_lines(thresholds: Thresholds) -> tuple[str, ...]:
    """The thresholds as sentences."""
    return (
        f"a class applies from score {thresholds.min_video_score:g} "
        f"and {thresholds.min_duration_ratio:.0%} of the video",
        f"a clip counts from score {thresholds.min_clip_score:g}",
    )


def run_counts(run: results.Run) -> tuple[tuple[int, str], ...]:
    """How many videos came to what end."""
    with_class = sum(bool(video.classes) for video in run.videos)
    return (
        (len(run.videos), "classified"),
        (with_class, "with a class"),
        (len(run.videos) - with_class, "without one"),
        (len(run.refused), "refused"),
        (len(run.failed), "failed"),
    )


def video_card(place: int, video: results.VideoResult, hues: Mapping[str, int]) -> Card:
    """One video's card; its clips are the best three with distinct prompts, over all classes."""
    folder, slash, file_name = video.name.rpartition("/")
    classes_by_prompt: dict[str, list[ClassScore]] = {}
    for found in video.classes:
        for prompt in {clip.prompt for clip in found.clips}:
            classes_by_prompt.setdefault(prompt, []).append(found)
    return Card(
        anchor=f"video-{place}",
        name=video.name,
        folder=folder + slash,
        file_name=file_name,
        classes=tuple(score_view(found, hues) for found in video.classes),
        clips=tuple(
            clip_view(clip, classes_by_prompt[clip.prompt], hues)
            for clip in results.top_clips(video.classes)
        ),
    )


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


def clip_view(clip: Clip, classes: Sequence[ClassScore], hues: Mapping[str, int]) -> ClipView:
    """One clip with the classes that its prompt proves."""
    return ClipView(
        start=plain_seconds(clip.start),
        end=plain_seconds(clip.end),
        span=f"{clock(math.floor(clip.start))}\N{EN DASH}{clock(math.ceil(clip.end))}",
        prompt=clip.prompt,
        option=clip.option,
        evidence=evidence_word(clip.option),
        class_names=", ".join(found.name for found in classes),
        hue=hues.get(classes[0].name, 0),
        score=f"{clip.score:.0f}",
    )


def evidence_word(option: str) -> str:
    """An option in a reader's words."""
    return OPTION_WORDS.get(option, option.replace("_", " "))


def plain_seconds(seconds: float) -> str:
    """Seconds to the millisecond, as addresses take them: 12 or 3.25, never 1e-05."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def clock(seconds: int) -> str:
    """Whole seconds as m:ss, from an hour on as h:mm:ss."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def counted(number: int, noun: str) -> str:
    """A number with its noun in the right form."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def spoken_time(rfc3339: str) -> str:
    """A time for people; what is no time is shown as it is."""
    try:
        moment = datetime.fromisoformat(rfc3339.replace("Z", "+00:00"))
    except ValueError:
        return rfc3339
    return f"{moment.day} {moment:%B %Y, %H:%M} {moment.tzname() or ''}".strip()


def spoken_duration(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours} h {minute} min" if hours else f"{minute} min {second} s"
