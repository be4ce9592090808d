"""Classification of indexed videos by classes that the user describes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select

from core.classification import ClassScore, Clip, Thresholds, classify, least_seconds
from engine.catalog.tables import Catalog, Index, Video
from engine.errors import PlatformError, not_found
from engine.evidence import Evidence
from engine.retrieval.evidence_reader import EvidenceReader
from engine.retrieval.prompts import PromptSet

# The hosted platform's limit for one request about chosen videos.
MAX_SECONDS = 10 * 3600
# Rows of evidence that are scored together, about ten hours of video: 100 MB of vectors and, with
# the 100 prompts that a request may have, up to 200 MB of scores at the lowest thresholds.
BATCH_ROWS = 25_000


@dataclass(frozen=True)
class ClassQuery:
    """One class to look for, with the options that apply to it."""

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


@dataclass(frozen=True)
class _IndexedVideo:
    id: str
    index: Index
    evidence: Evidence


class Classifier:
    """Classifies videos of the catalogue."""

    def __init__(self, catalog: Catalog, reader: EvidenceReader) -> None:
        self._catalog = catalog
        self._reader = reader

    def index(
        self, index_id: str, queries: Sequence[ClassQuery], thresholds: Thresholds
    ) -> list[VideoClasses]:
        """Classify every video of an index; those without a class are left out."""
        with self._catalog.transaction() as session:
            index = session.get(Index, index_id)
            if index is None:
                raise not_found(index_id, "indexes")
            videos = list(session.scalars(select(Video.id).where(Video.index_id == index_id)))
        self._require([index], queries)
        return self._classify(((video_id, index) for video_id in videos), queries, thresholds)

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
        unknown = next((video_id for video_id, video in videos.items() if video is None), None)
        if unknown is not None:
            raise not_found(unknown, "videos")
        total_s = sum(video.duration for video in videos.values() if video)
        if total_s > MAX_SECONDS:
            raise PlatformError(
                "parameter_invalid",
                f"The total duration(seconds) {total_s:.0f} of videos exceeds the limit.",
            )
        self._require(indexes.values(), queries)
        chosen = ((video.id, indexes[video.index_id]) for video in videos.values() if video)
        return self._classify(chosen, queries, thresholds)

    def _require(self, indexes: Iterable[Index], queries: Sequence[ClassQuery]) -> None:
        options = list(dict.fromkeys(option for query in queries for option in query.options))
        for index in indexes:
            self._reader.require(index, options)

    def _classify(
        self,
        videos: Iterable[tuple[str, Index]],
        queries: Sequence[ClassQuery],
        thresholds: Thresholds,
    ) -> list[VideoClasses]:
        results = []
        prompt_sets = self._prompt_sets(queries)
        for batch in _batches(self._indexed(videos)):
            evidence = [video.evidence for video in batch]
            clips_of_each = _clips_by_class(prompt_sets, evidence, thresholds)
            for video, clips in zip(batch, clips_of_each, strict=True):
                classes = classify(clips, video.evidence.duration_s, thresholds)
                if classes:
                    thumbnails = "thumbnail" in video.index.addons
                    result = VideoClasses(video.id, video.index.id, thumbnails, tuple(classes))
                    results.append(result)
        return sorted(results, key=lambda result: -result.classes[0].score)

    def _indexed(self, videos: Iterable[tuple[str, Index]]) -> Iterator[_IndexedVideo]:
        for video_id, index in videos:
            evidence = self._reader.read(video_id, with_frames=False)
            if evidence is not None:
                yield _IndexedVideo(video_id, index, evidence)

    def _prompt_sets(self, queries: Sequence[ClassQuery]) -> list[PromptSet]:
        """One prompt set for each kind of evidence, with all classes that use it."""
        classes_of: dict[tuple[str, str], dict[str, Sequence[str]]] = defaultdict(dict)
        for query in queries:
            for option in query.options:
                classes_of[option, query.conversation_option][query.name] = query.prompts
        return [
            self._reader.prompt_set(classes, option, conversation_option)
            for (option, conversation_option), classes in classes_of.items()
        ]


def _clips_by_class(
    prompt_sets: Sequence[PromptSet], videos: Sequence[Evidence], thresholds: Thresholds
) -> list[dict[str, list[Clip]]]:
    """The clips of each video by class; only those of classes that can cover enough of it.

    Most of what is found is far too short, and making a clip costs more than finding it.
    """
    names = list(dict.fromkeys(name for prompt_set in prompt_sets for name in prompt_set.names))
    columns = [[names.index(name) for name in prompt_set.names] for prompt_set in prompt_sets]
    found = [prompt_set.find(videos, thresholds.min_clip_score) for prompt_set in prompt_sets]
    seconds = np.zeros((len(videos), len(names)))
    for each, own in zip(found, columns, strict=True):
        seconds[:, own] += each.seconds
    least = [least_seconds(evidence.duration_s, thresholds) for evidence in videos]
    long_enough = seconds >= np.array(least)[:, None]
    clips: list[dict[str, list[Clip]]] = [defaultdict(list) for _ in videos]
    for each, own in zip(found, columns, strict=True):
        for video, name, clip in each.clips(long_enough[:, own]):
            clips[video][name].append(clip)
    return clips


def _batches(videos: Iterable[_IndexedVideo]) -> Iterator[list[_IndexedVideo]]:
    batch: list[_IndexedVideo] = []
    rows = 0
    for video in videos:
        batch.append(video)
        rows += len(video.evidence.window_vectors)
        rows += len(video.evidence.transcript) + len(video.evidence.screen_text)
        if rows >= BATCH_ROWS:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch
