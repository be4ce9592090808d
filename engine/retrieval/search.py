"""Search in the videos of an index: by text, by an image, and by combinations of both.

A query finds segments of videos. Combined queries work on sets of segments: `and` keeps the time
that its parts share and takes the lowest of their scores, `or` keeps everything, `not` cuts its
second part out of its first, and `then` joins each segment of a part with the last segment of the
previous part that ends before it begins.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from io import BytesIO
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
import PIL.Image
from PIL import ImageOps
from sqlalchemy import select

from core.classification import Clip, union
from engine.catalog.queries import VIDEOS, Condition, criterion
from engine.catalog.tables import Catalog, Index, Video
from engine.errors import PlatformError, not_found
from engine.evidence import Evidence
from engine.retrieval.evidence_reader import EvidenceReader, FloatArray, image_clips, text_of
from engine.retrieval.prompts import PromptSet

# Lowest score of each confidence level, read off recorded responses of the hosted platform.
CONFIDENCE_SCORES = {"high": 83.0, "medium": 75.0, "low": 46.0, "none": 0.0}
LOWEST = "extremely low"
MAX_IMAGE_PIXELS = 50_000_000


@dataclass(frozen=True)
class Text:
    """A text to search for."""

    text: str


@dataclass(frozen=True)
class Image:
    """An image to search for: uint8[h, w, 3] RGB."""

    pixels: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class And:
    """The time that all parts share."""

    parts: tuple[Query, ...]


@dataclass(frozen=True)
class Or:
    """The time of any part."""

    parts: tuple[Query, ...]


@dataclass(frozen=True)
class Not:
    """The time of `origin` without that of `sub`."""

    origin: Query
    sub: Query


@dataclass(frozen=True)
class Then:
    """From the first part to the end of the last, in this order."""

    parts: tuple[Query, ...]


Query = Text | Image | And | Or | Not | Then
Leaf = TypeVar("Leaf", Text, Image)


@dataclass(frozen=True)
class Confidence:
    """Scores in words; `level` 0-1 makes the words stricter (1) or laxer (0), 0.5 leaves them."""

    level: float = 0.5

    def least(self, word: str) -> float:
        """The lowest score that a word stands for."""
        band = CONFIDENCE_SCORES[word]
        if self.level <= 0.5:
            return band * 2 * self.level
        return band + (100 - band) * (2 * self.level - 1) if band else 0.0

    def word(self, score: float) -> str:
        """high, medium, low or extremely low."""
        return next(
            (word for word in ("high", "medium", "low") if score >= self.least(word)), LOWEST
        )


@dataclass(frozen=True)
class SearchRequest:
    """What to look for, in which videos, and the least confidence of a match."""

    index_id: str
    query: Query
    options: tuple[str, ...]
    operator: Literal["or", "and"] = "or"
    conversation_option: str = "semantic"
    threshold: str = "low"
    confidence: Confidence = Confidence()
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Module:
    """One kind of evidence for a match; `text` is what was said or shown as text."""

    option: str
    score: float
    text: str | None


@dataclass(frozen=True)
class Match:
    """A segment of a video that matches a query; times in seconds, score 0-100."""

    video_id: str
    start: float
    end: float
    score: float
    modules: tuple[Module, ...]


@dataclass(frozen=True)
class SearchResult:
    """Matches, best first, and the number and duration of the videos searched."""

    index_id: str
    video_count: int
    total_duration: float
    has_thumbnails: bool
    matches: tuple[Match, ...]

    def by_video(self, order: Literal["score", "clip_count"]) -> list[tuple[str, list[Match]]]:
        """The matches of each video, starting with the video that has the best, or the most."""
        groups: dict[str, list[Match]] = defaultdict(list)
        for match in self.matches:
            groups[match.video_id].append(match)
        if order == "score":
            return list(groups.items())
        return sorted(groups.items(), key=lambda group: -len(group[1]))


class Searcher:
    """Searches videos of the catalogue."""

    def __init__(self, catalog: Catalog, reader: EvidenceReader) -> None:
        self._catalog = catalog
        self._reader = reader

    def search(self, request: SearchRequest) -> SearchResult:
        """Every match of enough confidence, best first."""
        index, videos = self._pool(request)
        self._reader.require(index, request.options)
        images = list(_leaves(request.query, Image))
        if images and "visual" not in request.options:
            raise PlatformError(
                "search_option_not_supported",
                "An image can be searched for by the visual option only: add it.",
            )
        vectors = {id(each): self._reader.image_vector(each.pixels) for each in images}
        prompt_sets = self._prompt_sets(request)
        matches: list[Match] = []
        for video in videos:
            evidence = self._reader.read(video.id)
            if evidence is not None:
                searched = _SearchedVideo(request, video.id, evidence, prompt_sets, vectors)
                matches += searched.find(request.query)
        return SearchResult(
            index_id=index.id,
            video_count=len(videos),
            total_duration=sum(video.duration for video in videos),
            has_thumbnails="thumbnail" in index.addons,
            matches=tuple(
                sorted(matches, key=lambda match: (-match.score, match.video_id, match.start))
            ),
        )

    def _prompt_sets(self, request: SearchRequest) -> list[PromptSet]:
        """One prompt set for each option, with all texts of the query."""
        texts = {leaf.text: (leaf.text,) for leaf in _leaves(request.query, Text)}
        return [
            self._reader.prompt_set(texts, option, request.conversation_option)
            for option in (request.options if texts else ())
        ]

    def _pool(self, request: SearchRequest) -> tuple[Index, list[Video]]:
        with self._catalog.transaction() as session:
            index = session.get(Index, request.index_id)
            if index is None:
                raise not_found(request.index_id, "indexes")
            filters = [criterion(VIDEOS, each) for each in request.conditions]
            query = select(Video).where(Video.index_id == index.id, *filters)
            return index, list(session.scalars(query))


class _SearchedVideo:
    """One video, searched for one request."""

    def __init__(
        self,
        request: SearchRequest,
        video_id: str,
        evidence: Evidence,
        prompt_sets: Sequence[PromptSet],
        vectors: dict[int, FloatArray],
    ) -> None:
        self._video_id = video_id
        self._evidence = evidence
        self._vectors = vectors
        self._least = request.confidence.least(request.threshold)
        self._all_options = request.operator == "and"
        self._clips = [prompt_set.clips(evidence, self._least) for prompt_set in prompt_sets]

    def find(self, query: Query) -> list[Match]:
        """The segments of this video that match a query or a part of one."""
        match query:
            case Text(text):
                found = [self._matches(clips[text]) for clips in self._clips]
                if self._all_options:
                    return reduce(_intersection, found)
                return [match for matches in found for match in matches]
            case Image():
                vector = self._vectors[id(query)]
                return self._matches(image_clips(self._evidence, vector))
            case And(parts):
                return reduce(_intersection, map(self.find, parts))
            case Or(parts):
                return [match for part in parts for match in self.find(part)]
            case Not(origin, sub):
                return _difference(self.find(origin), self.find(sub))
            case Then(parts):
                return reduce(_sequence, map(self.find, parts))

    def _matches(self, clips: Iterable[Clip]) -> list[Match]:
        return [
            Match(
                self._video_id,
                clip.start,
                clip.end,
                clip.score,
                (Module(clip.option, clip.score, text_of(self._evidence, clip)),),
            )
            for clip in clips
            if clip.score >= self._least
        ]


def _leaves(query: Query, kind: type[Leaf]) -> Iterator[Leaf]:
    match query:
        case And(parts) | Or(parts) | Then(parts):
            for part in parts:
                yield from _leaves(part, kind)
        case Not(origin, sub):
            yield from _leaves(origin, kind)
            yield from _leaves(sub, kind)
        case _:
            if isinstance(query, kind):
                yield query


def _intersection(ones: Sequence[Match], others: Sequence[Match]) -> list[Match]:
    """Where one of the matches overlaps one of the others; the best for each interval."""
    others = sorted(others, key=lambda match: match.start)
    starts = [other.start for other in others]
    longest_s = max((other.end - other.start for other in others), default=0.0)
    best: dict[tuple[float, float], Match] = {}
    for one in ones:
        first = bisect_left(starts, one.start - longest_s)
        for other in others[first : bisect_left(starts, one.end)]:
            start, end = max(one.start, other.start), min(one.end, other.end)
            if end > start:
                joined = _joined(one, other, start, end)
                if (start, end) not in best or best[start, end].score < joined.score:
                    best[start, end] = joined
    return list(best.values())


def _sequence(ones: Sequence[Match], others: Sequence[Match]) -> list[Match]:
    """Each of the others joined with the last of the ones that ends before it begins."""
    result = []
    for other in others:
        before = [one for one in ones if one.end <= other.start]
        if before:
            last = max(before, key=lambda one: (one.end, one.score))
            result.append(_joined(last, other, last.start, other.end))
    return result


def _difference(ones: Sequence[Match], others: Sequence[Match]) -> list[Match]:
    """What is left of the ones after cutting the others out."""
    cuts = union((other.start, other.end) for other in others)
    result = []
    for one in ones:
        edges = [one.start]
        for start, end in cuts:
            if start < one.end and end > one.start:
                edges += [max(start, one.start), min(end, one.end)]
        edges.append(one.end)
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            if end > start:
                result.append(Match(one.video_id, start, end, one.score, one.modules))
    return result


def _joined(one: Match, other: Match, start: float, end: float) -> Match:
    modules = {module.option: module for module in sorted(one.modules + other.modules, key=_score)}
    score = min(one.score, other.score)
    return Match(one.video_id, start, end, score, tuple(modules.values()))


def _score(module: Module) -> float:
    return module.score


def read_image(data: bytes, field: str) -> Image:
    """An image file of any common format; raises PlatformError that names the field."""
    try:
        with PIL.Image.open(BytesIO(data)) as file:
            if file.width * file.height > MAX_IMAGE_PIXELS:
                raise PlatformError(
                    "parameter_invalid", f"The {field} parameter has more than 50 megapixels."
                )
            upright = ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError):
        raise PlatformError(
            "parameter_invalid", f"The {field} parameter is not a readable image file."
        ) from None
    return Image(np.asarray(upright))
