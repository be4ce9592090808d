"""Classification of stored videos by classes in the caller's words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from classification import ClassScore, Clip, Thresholds, classify
from engine.catalog import Catalog, Index, Video
from engine.errors import PlatformError, not_there
from engine.evidence import Evidence
from engine.matching import Matcher
from engine.scoring import Question

# The hosted platform's limit for one request about chosen videos.
MAX_SECONDS = 10 * 3600


@dataclass(frozen=True)
class ClassQuery:
    """One class to look for, with the options in force for it."""

    name: str
    prompts: tuple[str, ...]
    options: tuple[str, ...]
    conversation_option: str = "semantic"


@dataclass(frozen=True)
class VideoClasses:
    """The classes that apply to one video, best first; never empty."""

    video_id: str
    index_id: str
    has_thumbnails: bool
    classes: tuple[ClassScore, ...]


class Classifier:
    """Judges videos of the catalogue."""

    def __init__(self, catalog: Catalog, matcher: Matcher) -> None:
        self._catalog = catalog
        self._matcher = matcher

    def index(
        self, index_id: str, queries: Sequence[ClassQuery], thresholds: Thresholds
    ) -> list[VideoClasses]:
        """Classify every video of an index; those without a class are left out."""
        with self._catalog.transaction() as session:
            index = session.get(Index, index_id)
            if index is None:
                raise not_there(index_id, "indexes")
            videos = list(session.scalars(select(Video.id).where(Video.index_id == index_id)))
        self._require([index], queries)
        found = (
            (video_id, index, self._matcher.evidence(video_id, with_frames=False))
            for video_id in videos
        )
        return self._classify(found, queries, thresholds)

    def videos(
        self, video_ids: Sequence[str], queries: Sequence[ClassQuery], thresholds: Thresholds
    ) -> list[VideoClasses]:
        """Classify these videos; those without a class are left out."""
        with self._catalog.transaction() as session:
            videos = {each: session.get(Video, each) for each in video_ids}
            indexes = {
                video.index_id: session.get_one(Index, video.index_id)
                for video in videos.values()
                if video
            }
        gone = next((video_id for video_id, video in videos.items() if video is None), None)
        if gone is not None:
            raise not_there(gone, "videos")
        total_s = sum(video.duration for video in videos.values() if video)
        if total_s > MAX_SECONDS:
            raise PlatformError(
                "parameter_invalid",
                f"The total duration(seconds) {total_s:.0f} of videos exceeds the limit.",
            )
        self._require(indexes.values(), queries)
        found = (
            (video_id, indexes[video.index_id], self._matcher.evidence(video_id, with_frames=False))
            for video_id, video in videos.items()
            if video
        )
        return self._classify(found, queries, thresholds)

    def _require(self, indexes: Iterable[Index], queries: Sequence[ClassQuery]) -> None:
        options = list(dict.fromkeys(option for query in queries for option in query.options))
        for index in indexes:
            self._matcher.require(index, options)

    def _classify(
        self,
        found: Iterable[tuple[str, Index, Evidence | None]],
        queries: Sequence[ClassQuery],
        thresholds: Thresholds,
    ) -> list[VideoClasses]:
        results = []
        questions = self._questions(queries)
        for video_id, index, evidence in found:
            if evidence is None:
                continue
            clips: dict[str, list[Clip]] = {query.name: [] for query in queries}
            for question in questions:
                for name, more in question.clips(evidence, thresholds.min_clip_score).items():
                    clips[name] += more
            classes = classify(clips, evidence.duration_s, thresholds)
            if classes:
                thumbnails = "thumbnail" in index.addons
                results.append(VideoClasses(video_id, index.id, thumbnails, tuple(classes)))
        return sorted(results, key=lambda result: -result.classes[0].score)

    def _questions(self, queries: Sequence[ClassQuery]) -> list[Question]:
        """One question for each kind of evidence, about all classes that ask for it."""
        asked: dict[tuple[str, str], dict[str, Sequence[str]]] = defaultdict(dict)
        for query in queries:
            for option in query.options:
                asked[option, query.conversation_option][query.name] = query.prompts
        return [
            self._matcher.question(classes, option, conversation_option)
            for (option, conversation_option), classes in asked.items()
        ]
