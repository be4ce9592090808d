"""The page as plain values, worked out from a library and a selection by plain functions.

Everything is rounded, worded and put in order here, so that the templates only lay it out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from core.classification import Thresholds
from page.card import Card, ScoreView, near_view, score_view, video_card
from page.charts import HeatRow, ThresholdView, heat_rows, threshold_views
from page.formatting import CONVERSATION_WORDS, counted, evidence_word, spoken_duration, spoken_time
from page.query import ANY_CLASS, CLASS_PREFIX, NO_CLASS, Selection, select
from store import results
from store.judged_run import Library
from store.results import VideoResult

HUES = 8  # the stylesheet has so many class colours
PER_PAGE = {"video": 12, "heat": 100, "class": 1}
TILES_PER_CLASS = 12


@dataclass(frozen=True)
class CriterionView:
    """A class as described: its prompts, its colour, and how many videos it applies to."""

    name: str
    showing: str
    prompts: tuple[str, ...]
    hue: int
    number: int
    videos: str


@dataclass(frozen=True)
class TileView:
    """A video within the group of a class."""

    video_id: str
    file_name: str
    name: str
    middle_s: str
    score: ScoreView


@dataclass(frozen=True)
class GroupView:
    """A class with the videos to which it applies, the best first; `more` are not shown."""

    criterion: CriterionView
    tiles: tuple[TileView, ...]
    more: int


@dataclass(frozen=True)
class PageView:
    """Everything on the page but the state of the video files."""

    headline: str
    criteria: tuple[CriterionView, ...]
    facts: tuple[tuple[str, tuple[str, ...]], ...]
    counts: tuple[tuple[int, str], ...]
    left_out: tuple[tuple[str, str, str], ...]
    is_live: bool
    is_changed: bool
    thresholds: tuple[ThresholdView, ...]
    showings: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, str], ...]
    summary: str
    page: int
    pages: int
    cards: tuple[Card, ...]
    groups: tuple[GroupView, ...]
    heat: tuple[HeatRow, ...]
    min_video_score: float
    min_ratio_percent: float


def page_view(library: Library, wanted: Selection, per_page: int = 0) -> PageView:
    """The view of a library that a selection asks for, with as many videos a page as usual."""
    run, hues = library.run, class_hues(library.run)
    judged = library.judged(wanted.thresholds)
    chosen = select(judged, wanted)
    size = per_page or PER_PAGE[wanted.group]
    page, pages = find_page(chosen, wanted, size)
    shown = chosen[(page - 1) * size : page * size]
    criteria = criterion_views(run, judged, hues)
    candidates = library.candidates(wanted.thresholds.min_clip_score)
    return PageView(
        headline=f"{counted(len(run.videos), 'video')}, {counted(len(run.classes), 'class')}",
        criteria=criteria,
        facts=run_facts(run),
        counts=run_counts(run, judged),
        left_out=tuple(
            (entry.video_name, what, entry.reason)
            for what, entries in (("Refused", run.refused), ("Failed", run.failed))
            for entry in entries
        ),
        is_live=library.is_live,
        is_changed=wanted.thresholds != run.thresholds,
        thresholds=threshold_views(library, wanted.thresholds),
        showings=(
            ("", "all videos"),
            (ANY_CLASS, "with any class"),
            (NO_CLASS, "without a class"),
            *((CLASS_PREFIX + criterion.name, criterion.name) for criterion in run.classes),
        ),
        options=tuple((option, evidence_word(option)) for option in run.options),
        summary=f"{len(chosen):,} of {counted(len(judged), 'video')}",
        page=page,
        pages=pages,
        cards=tuple(
            card_of(library, (page - 1) * size + place, video, hues, wanted)
            for place, video in enumerate(shown, start=1)
        )
        if wanted.group == "video"
        else (),
        groups=group_views(criteria, chosen) if wanted.group == "class" else (),
        heat=heat_rows(shown, candidates, hues) if wanted.group == "heat" else (),
        min_video_score=wanted.thresholds.min_video_score,
        min_ratio_percent=100 * wanted.thresholds.min_duration_ratio,
    )


def card_of(
    library: Library, place: int, video: VideoResult, hues: Mapping[str, int], wanted: Selection
) -> Card:
    """One video's card; where no class applies, with the one that comes nearest."""
    card = video_card(place, video, library.duration_s(video.video_id), hues, wanted)
    least = wanted.thresholds.min_clip_score
    nearest = None if video.classes else library.nearest(video.video_id, least)
    return replace(card, near=near_view(nearest, least, hues)) if nearest else card


def class_hues(run: results.Run) -> dict[str, int]:
    """The colour of each class, in the order of the classes."""
    return {criterion.name: place % HUES for place, criterion in enumerate(run.classes)}


def find_page(chosen: Sequence[VideoResult], wanted: Selection, size: int) -> tuple[int, int]:
    """The number of the page to show and of all pages: where none is asked for, the video's."""
    pages = 1 if wanted.group == "class" else max(-(-len(chosen) // size), 1)
    page = wanted.page
    if not page and wanted.video_id:
        places = (at for at, video in enumerate(chosen) if video.video_id == wanted.video_id)
        page = next(places, 0) // size + 1
    return min(max(page, 1), pages), pages


def criterion_views(
    run: results.Run, judged: Iterable[VideoResult], hues: Mapping[str, int]
) -> tuple[CriterionView, ...]:
    """The classes as described, with the number of videos they apply to."""
    applied = Counter(found.name for video in judged for found in video.classes)
    return tuple(
        CriterionView(
            name=criterion.name,
            showing=CLASS_PREFIX + criterion.name,
            prompts=criterion.prompts,
            hue=hues[criterion.name],
            number=applied[criterion.name],
            videos=counted(applied[criterion.name], "video"),
        )
        for criterion in run.classes
    )


def group_views(
    criteria: Iterable[CriterionView], chosen: Sequence[VideoResult]
) -> tuple[GroupView, ...]:
    """The chosen videos by class; classes that apply to none of them are left out."""
    groups = []
    for criterion in criteria:
        members = sorted(
            (
                (found, video)
                for video in chosen
                for found in video.classes
                if found.name == criterion.name
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
                    score_view(found, {criterion.name: criterion.hue}),
                )
                for found, video in members[:TILES_PER_CLASS]
            )
            groups.append(GroupView(criterion, tiles, len(members) - len(tiles)))
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
