"""The page as plain values, made from a judged run and a view query by plain functions.

Everything is rounded, worded and put in order here, so that the templates only lay it out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from core.classification import Thresholds
from page.card import Card, ScoreView, nearest_class, score_view, video_card
from page.charts import HeatRow, ThresholdView, heat_rows, threshold_views
from page.formatting import CONVERSATION_WORDS, counted, evidence_word, spoken_duration, spoken_time
from page.query import CLASS_PREFIX, ViewQuery, matching_videos
from store import results
from store.judged_run import JudgedRun
from store.results import VideoResult

HUES = 8  # class colours in the stylesheet
PER_PAGE = {"video": 12, "heat": 100, "class": 1}
TILES_PER_CLASS = 12


@dataclass(frozen=True)
class ClassView:
    """A class with its prompts, its colour, and how many videos it applies to."""

    name: str
    filter: str
    prompts: tuple[str, ...]
    hue: int
    number: int
    videos: str


@dataclass(frozen=True)
class TileView:
    """One video in the group of a class."""

    video_id: str
    file_name: str
    name: str
    middle_s: str
    score: ScoreView


@dataclass(frozen=True)
class GroupView:
    """A class with the videos it applies to, best first; `more` is how many are not shown."""

    described: ClassView
    tiles: tuple[TileView, ...]
    more: int


@dataclass(frozen=True)
class PageView:
    """Everything on the page but the state of the video files."""

    headline: str
    classes: tuple[ClassView, ...]
    facts: tuple[tuple[str, tuple[str, ...]], ...]
    counts: tuple[tuple[int, str], ...]
    left_out: tuple[tuple[str, str, str], ...]
    thresholds_adjustable: bool
    is_changed: bool
    thresholds: tuple[ThresholdView, ...]
    options: tuple[tuple[str, str], ...]
    summary: str
    page: int
    pages: int
    cards: tuple[Card, ...]
    groups: tuple[GroupView, ...]
    heat: tuple[HeatRow, ...]
    min_video_score: float
    min_ratio_percent: float


def page_view(judged_run: JudgedRun, query: ViewQuery, per_page: int = 0) -> PageView:
    """The view of a judged run that a query asks for; `per_page` overrides the usual number."""
    run, hues = judged_run.run, class_hues(judged_run.run)
    judged = judged_run.judge(query.thresholds)
    chosen = matching_videos(judged, query)
    size = per_page or PER_PAGE[query.group]
    page, pages = find_page(chosen, query, size)
    shown = chosen[(page - 1) * size : page * size]
    classes = class_views(run, judged, hues)
    candidates = judged_run.candidates(query.thresholds.min_clip_score)
    return PageView(
        headline=f"{counted(len(run.videos), 'video')}, {counted(len(run.classes), 'class')}",
        classes=classes,
        facts=run_facts(run),
        counts=run_counts(run, judged),
        left_out=tuple(
            (entry.video_name, what, entry.reason)
            for what, entries in (("Refused", run.refused), ("Failed", run.failed))
            for entry in entries
        ),
        thresholds_adjustable=judged_run.has_all_clips,
        is_changed=query.thresholds != run.thresholds,
        thresholds=threshold_views(judged_run, query.thresholds),
        options=tuple((option, evidence_word(option)) for option in run.options),
        summary=f"{len(chosen):,} of {counted(len(judged), 'video')}",
        page=page,
        pages=pages,
        cards=tuple(
            card_of(judged_run, (page - 1) * size + place, video, hues, query)
            for place, video in enumerate(shown, start=1)
        )
        if query.group == "video"
        else (),
        groups=group_views(classes, chosen) if query.group == "class" else (),
        heat=heat_rows(shown, candidates, hues) if query.group == "heat" else (),
        min_video_score=query.thresholds.min_video_score,
        min_ratio_percent=100 * query.thresholds.min_duration_ratio,
    )


def card_of(
    judged_run: JudgedRun, place: int, video: VideoResult, hues: Mapping[str, int], query: ViewQuery
) -> Card:
    """One video's card; if no class applies, with the nearest class."""
    card = video_card(place, video, judged_run.duration_s(video.video_id), hues, query)
    least = query.thresholds.min_clip_score
    nearest = None if video.classes else judged_run.nearest(video.video_id, least)
    return replace(card, nearest=nearest_class(nearest, least, hues)) if nearest else card


def class_hues(run: results.Run) -> dict[str, int]:
    """The colour of each class, in the order of the classes."""
    return {prompt_class.name: place % HUES for place, prompt_class in enumerate(run.classes)}


def find_page(chosen: Sequence[VideoResult], query: ViewQuery, size: int) -> tuple[int, int]:
    """The number of the page to show (by default the one with the video) and the page count."""
    pages = 1 if query.group == "class" else max(-(-len(chosen) // size), 1)
    page = query.page
    if not page and query.video_id:
        places = (at for at, video in enumerate(chosen) if video.video_id == query.video_id)
        page = next(places, 0) // size + 1
    return min(max(page, 1), pages), pages


def class_views(
    run: results.Run, judged: Iterable[VideoResult], hues: Mapping[str, int]
) -> tuple[ClassView, ...]:
    """The classes of the run, with the number of videos they apply to."""
    applied = Counter(found.name for video in judged for found in video.classes)
    return tuple(
        ClassView(
            name=prompt_class.name,
            filter=CLASS_PREFIX + prompt_class.name,
            prompts=prompt_class.prompts,
            hue=hues[prompt_class.name],
            number=applied[prompt_class.name],
            videos=counted(applied[prompt_class.name], "video"),
        )
        for prompt_class in run.classes
    )


def group_views(
    classes: Iterable[ClassView], chosen: Sequence[VideoResult]
) -> tuple[GroupView, ...]:
    """The chosen videos by class; classes that apply to none of them are left out."""
    groups = []
    for described in classes:
        members = sorted(
            (
                (found, video)
                for video in chosen
                for found in video.classes
                if found.name == described.name
            ),
            key=lambda member: (-member[0].score, member[1].name),
        )
        if members:
            tiles = tuple(
                TileView(
                    video.video_id,
                    video.name.rpartition("/")[2],
                    video.name,
                    f"{(found.clips[0].start + found.clips[0].end) / 2:.3f}"
                    if found.clips
                    else "0",
                    score_view(found, {described.name: described.hue}),
                )
                for found, video in members[:TILES_PER_CLASS]
            )
            groups.append(GroupView(described, tiles, len(members) - len(tiles)))
    return tuple(groups)


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
        "Scores": (platform.scores,) if platform.scores else (),
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


def run_counts(run: results.Run, judged: Sequence[VideoResult]) -> tuple[tuple[int, str], ...]:
    """How many videos came to what end."""
    with_class = sum(bool(video.classes) for video in judged)
    return (
        (len(judged), "classified"),
        (with_class, "with a class"),
        (len(judged) - with_class, "without one"),
        (len(run.refused), "refused"),
        (len(run.failed), "failed"),
    )
