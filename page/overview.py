"""The page as plain values, made from a judged run and a view query by plain functions.

Everything is chosen, put in order and linked here; the templates lay it out and format numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.classification import ClassScore
from page.card import Card, ViewContext, video_card
from page.charts import HeatRow, ThresholdView, heat_rows, threshold_views
from page.formatting import evidence_word
from page.links import ExportLink, VideoLinks, ViewUrls
from page.query import NO_CLASS, ViewQuery, class_filter, matching_videos
from page.summary import ClassView, RunSummary, class_hues, run_summary
from store.judged_run import JudgedRun
from store.records import VideoResult

PER_PAGE = {"video": 12, "heat": 100}  # the classes are all on one page
TILES_PER_CLASS = 12


@dataclass(frozen=True)
class Chip:
    """A filter by class; `described` is None for all videos and for those without a class."""

    label: str
    url: str
    is_current: bool
    described: ClassView | None = None


@dataclass(frozen=True)
class Tile:
    """One video in the group of a class."""

    video: VideoResult
    file_name: str
    score: ClassScore
    url: str
    picture_url: str


@dataclass(frozen=True)
class Group:
    """A class with the videos it applies to, best first; `more` is how many are not shown."""

    described: ClassView
    tiles: tuple[Tile, ...]
    more: int
    more_url: str


@dataclass(frozen=True)
class ViewLinks:
    """Other views of the same results; `previous` and `next` are "" if there is no such page."""

    by_video: str
    by_class: str
    heat_map: str
    all_videos: str
    run_thresholds: str
    previous: str
    next: str
    exports: tuple[ExportLink, ...]


@dataclass(frozen=True)
class PageView:
    """The whole page; of `cards`, `groups` and `heat` it has those of the view.

    `options` are the kinds of evidence with their labels; `found` of `total` videos match the
    query.
    """

    query: ViewQuery
    run: RunSummary
    hues: Mapping[str, int]
    chips: tuple[Chip, ...]
    options: tuple[tuple[str, str], ...]
    thresholds: tuple[ThresholdView, ...]
    has_adjustable_thresholds: bool
    has_changed_thresholds: bool
    found: int
    total: int
    cards: tuple[Card, ...]
    groups: tuple[Group, ...]
    heat: tuple[HeatRow, ...]
    links: ViewLinks


def page_view(judged_run: JudgedRun, query: ViewQuery, videos: VideoLinks) -> PageView:
    """The view of a judged run that a query asks for."""
    run = judged_run.run
    judged = judged_run.judge(query.thresholds)
    matching = matching_videos(judged, query)
    page, page_count = find_page(matching, query)
    summary = run_summary(run, judged)
    urls = ViewUrls(query, run.request.thresholds)
    context = ViewContext(judged_run, query, class_hues(run), videos, urls)
    return PageView(
        query=query,
        run=summary,
        hues=context.hues,
        chips=class_chips(summary.classes, query, urls),
        options=tuple((option, evidence_word(option)) for option in run.request.options),
        thresholds=threshold_views(judged_run, query.thresholds),
        has_adjustable_thresholds=judged_run.has_all_clips,
        has_changed_thresholds=query.thresholds != run.request.thresholds,
        found=len(matching),
        total=len(judged),
        cards=page_cards(matching, page, context) if query.group == "video" else (),
        groups=page_groups(summary.classes, matching, context) if query.group == "class" else (),
        heat=page_heat(matching, page, context) if query.group == "heat" else (),
        links=view_links(urls, page, page_count),
    )


def find_page(matching: Sequence[VideoResult], query: ViewQuery) -> tuple[int, int]:
    """The number of the page to show (by default the one with the linked video), and of pages."""
    if query.group == "class":
        return 1, 1
    size, page = PER_PAGE[query.group], query.page
    page_count = max(-(-len(matching) // size), 1)
    if not page and query.video_id:
        ids = (video.video_id for video in matching)
        position = next((at for at, each in enumerate(ids) if each == query.video_id), 0)
        page = position // size + 1
    return min(max(page, 1), page_count), page_count


def class_chips(classes: Sequence[ClassView], query: ViewQuery, urls: ViewUrls) -> tuple[Chip, ...]:
    """The filters by class."""

    def chip(label: str, chosen: str, described: ClassView | None = None) -> Chip:
        url = urls.view(class_filter=chosen)
        return Chip(label, url, chosen == query.class_filter, described)

    by_name = (chip(each.name, class_filter(each.name), each) for each in classes)
    return (chip("All", ""), *by_name, chip("No class", NO_CLASS))


def page_cards(
    matching: Sequence[VideoResult], page: int, context: ViewContext
) -> tuple[Card, ...]:
    """The cards of one page, numbered through all pages."""
    first = (page - 1) * PER_PAGE["video"]
    shown = matching[first : first + PER_PAGE["video"]]
    return tuple(
        video_card(number, video, context) for number, video in enumerate(shown, start=first + 1)
    )


def page_groups(
    classes: Sequence[ClassView], matching: Sequence[VideoResult], context: ViewContext
) -> tuple[Group, ...]:
    """The videos by class; classes that apply to none of them are left out."""
    groups = []
    for described in classes:
        members = [
            (found, video)
            for video in matching
            for found in video.classes
            if found.name == described.name
        ]
        members.sort(key=lambda member: (-member[0].score, member[1].name))
        if members:
            groups.append(
                Group(
                    described,
                    tuple(tile(*member, context) for member in members[:TILES_PER_CLASS]),
                    max(len(members) - TILES_PER_CLASS, 0),
                    context.urls.view(group="video", class_filter=class_filter(described.name)),
                )
            )
    return tuple(groups)


def tile(found: ClassScore, video: VideoResult, context: ViewContext) -> Tile:
    """A video with the class that it is grouped by, pictured by its best clip."""
    middle_s = (found.clips[0].start + found.clips[0].end) / 2 if found.clips else 0.0
    return Tile(
        video,
        video.name.rpartition("/")[2],
        found,
        context.urls.view(group="video", video_id=video.video_id),
        context.videos.picture(video.video_id, middle_s),
    )


def page_heat(
    matching: Sequence[VideoResult], page: int, context: ViewContext
) -> tuple[HeatRow, ...]:
    """The rows of one page of the heat map."""
    first = (page - 1) * PER_PAGE["heat"]
    shown = matching[first : first + PER_PAGE["heat"]]
    candidates = context.judged_run.candidates(context.query.thresholds.min_clip_score)
    return heat_rows(
        [(video, context.urls.view(group="video", video_id=video.video_id)) for video in shown],
        candidates,
        context.hues,
    )


def view_links(urls: ViewUrls, page: int, page_count: int) -> ViewLinks:
    """The links of a page to other views."""
    return ViewLinks(
        by_video=urls.view(group="video"),
        by_class=urls.view(group="class"),
        heat_map=urls.view(group="heat"),
        all_videos=urls.view(search="", class_filter="", evidence=""),
        run_thresholds=urls.view(thresholds=urls.defaults),
        previous=urls.view(page=page - 1) if page > 1 else "",
        next=urls.view(page=page + 1) if page < page_count else "",
        exports=urls.exports(),
    )
