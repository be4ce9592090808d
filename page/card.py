"""One video as the page shows it: classes, best clips, timeline, all clips; plain values only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from core.classification import ClassScore, Clip, top_clips
from page.links import ExportLink, VideoLinks, ViewUrls, clip_url
from page.query import ClipQuery, ViewQuery, filtered_classes, filtered_clips, query_clips
from store.judged_run import JudgedRun
from store.records import VideoResult

CLIPS_PER_PAGE = 50
MAX_BARS = 400  # in one lane; more would be narrower than a pixel
MIN_BAR_PERCENT = 0.4  # narrower ones could not be seen


@dataclass(frozen=True)
class ClipView:
    """A clip with the classes it proves; a URL is "" if there is no file or no picture."""

    clip: Clip
    class_names: tuple[str, ...]
    hue: int
    url: str
    picture_url: str
    words: str = ""


@dataclass(frozen=True)
class BarView:
    """A clip in a lane: its start and length in per cent of the video, its opacity 0-1."""

    clip: Clip
    url: str
    left: float
    width: float
    opacity: float


@dataclass(frozen=True)
class LaneView:
    """A class of one video as a lane of its timeline."""

    name: str
    hue: int
    bars: tuple[BarView, ...]


@dataclass(frozen=True)
class CardLinks:
    """Where a card leads; `clips` is the list of all clips, the tracks are for the player."""

    clips: str
    chapters: str
    captions: str
    exports: tuple[ExportLink, ...]


@dataclass(frozen=True)
class Card:
    """One video with its best clips and its timeline; `nearest` is set if no class applies.

    `clips` are the best three with distinct prompts over all classes; `clip_count` counts all.
    """

    anchor: str
    video: VideoResult
    folder: str
    file_name: str
    duration_s: float
    damage: str
    video_url: str
    poster_url: str
    clips: tuple[ClipView, ...]
    clip_count: int
    lanes: tuple[LaneView, ...]
    nearest: ClassScore | None
    links: CardLinks


@dataclass(frozen=True)
class ClipPage:
    """One page of the clips of a video; `total` counts all pages."""

    clips: tuple[ClipView, ...]
    page: int
    pages: int
    total: int


@dataclass(frozen=True)
class ViewContext:
    """What all parts of one view of the results share."""

    judged_run: JudgedRun
    query: ViewQuery
    hues: Mapping[str, int]
    videos: VideoLinks
    urls: ViewUrls


def video_card(number: int, video: VideoResult, context: ViewContext) -> Card:
    """The card of a video; a filter by class or evidence leaves out other clips and lanes."""
    judged_run, query, hues = context.judged_run, context.query, context.hues
    folder, slash, file_name = video.name.rpartition("/")
    duration_s = judged_run.duration_s(video.video_id)
    video_url = context.videos.video(video.name)
    classes = [
        replace(found, clips=tuple(filtered_clips(found.clips, query)))
        for found in filtered_classes(video.classes, query)
    ]
    is_unclassified = not video.classes
    return Card(
        anchor=f"video-{number}",
        video=video,
        folder=folder + slash,
        file_name=file_name,
        duration_s=duration_s,
        damage=judged_run.damage(video.video_id),
        video_url=video_url,
        poster_url=context.videos.picture(video.video_id),
        clips=best_clips(replace(video, classes=tuple(classes)), hues, context.videos),
        clip_count=len({clip for found in classes for clip in found.clips}),
        lanes=tuple(
            lane_view(found, duration_s, hues, video_url) for found in classes if found.clips
        ),
        nearest=judged_run.nearest(video.video_id, query.thresholds.min_clip_score)
        if is_unclassified
        else None,
        links=card_links(video, context.urls),
    )


def card_links(video: VideoResult, urls: ViewUrls) -> CardLinks:
    """Where the card of a video leads; without a class the clips below the thresholds, too."""
    below = {} if video.classes else {"min_score": "0", "sort": "score"}
    return CardLinks(
        clips=urls.clips(video.video_id, **below),
        chapters=urls.track("vtt", video.video_id),
        captions=urls.track("captions.vtt", video.video_id),
        exports=urls.video_exports(video.video_id),
    )


def best_clips(
    video: VideoResult, hues: Mapping[str, int], videos: VideoLinks
) -> tuple[ClipView, ...]:
    """The best three clips of a video with distinct prompts, each with all classes it proves."""
    names = classes_by_prompt(video.classes)
    return clip_views(
        video,
        [(clip, names[clip.prompt]) for clip in top_clips(video.classes)],
        hues,
        videos,
    )


def classes_by_prompt(classes: Sequence[ClassScore]) -> dict[str, list[str]]:
    """The names of the classes whose clips have a prompt."""
    names: dict[str, list[str]] = {}
    for found in classes:
        for prompt in {clip.prompt for clip in found.clips}:
            names.setdefault(prompt, []).append(found.name)
    return names


def clip_views(
    video: VideoResult,
    clips: Sequence[tuple[Clip, Sequence[str]]],
    hues: Mapping[str, int],
    videos: VideoLinks,
    words_of: Callable[[Clip], str] | None = None,
) -> tuple[ClipView, ...]:
    """Clips of a video, given with the names of the classes that they prove."""
    video_url = videos.video(video.name)
    return tuple(
        ClipView(
            clip,
            tuple(names),
            hues.get(names[0], 0),
            clip_url(video_url, clip),
            videos.picture(video.video_id, (clip.start + clip.end) / 2),
            words_of(clip) if words_of else "",
        )
        for clip, names in clips
    )


def lane_view(
    found: ClassScore, duration_s: float, hues: Mapping[str, int], video_url: str
) -> LaneView:
    """The clips of a class along the video; if there are too many, the best."""
    best = sorted(found.clips, key=lambda clip: -clip.score)[:MAX_BARS]
    percent = 100 / duration_s if duration_s else 0.0
    bars = (
        BarView(
            clip,
            clip_url(video_url, clip),
            left=round(clip.start * percent, 3),
            width=round(max((clip.end - clip.start) * percent, MIN_BAR_PERCENT), 3),
            opacity=round(0.25 + 0.75 * (clip.score / 100) ** 2, 2),
        )
        # The weakest first: where clips overlap, the strongest is drawn on top.
        for clip in reversed(best)
    )
    return LaneView(found.name, hues.get(found.name, 0), tuple(bars))


def clip_page(
    video: VideoResult,
    query: ClipQuery,
    hues: Mapping[str, int],
    videos: VideoLinks,
    words_of: Callable[[Clip], str],
) -> ClipPage:
    """One page of the clips that a query asks for."""
    found = query_clips(video.classes, query)
    first = (query.page - 1) * CLIPS_PER_PAGE
    return ClipPage(
        clips=clip_views(video, found[first : first + CLIPS_PER_PAGE], hues, videos, words_of),
        page=query.page,
        pages=max(-(-len(found) // CLIPS_PER_PAGE), 1),
        total=len(found),
    )
