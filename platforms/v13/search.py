"""Clips out of v1.3's search: one query per prompt and kind of evidence, over the whole index.

Search ranks what there is: it returns something for every prompt, and no score. So that not
everything matches, some prompts that describe nothing in particular (DISTRACTORS) are asked as
well, and a clip stays only where it ranks better for the prompt than that moment does for any of
them. The score is the clip's place among all results of its prompt, 100 for the first, and says
nothing about how alike they are; `scores` tells this to whoever reads the results. Where an index
is so old that search still gives scores (marengo2.7), those are used and nothing is cut.

A page token that has died makes the query start again. Unverified: how many ids `filter` takes.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from requests_toolbelt import MultipartEncoder  # type: ignore[import-untyped]

from core.classification import Clip
from core.types import ClassifyRequest, Video
from platforms.costs import Estimate
from transport import fields
from transport.errors import PLAN_CODES, BadAnswer, BadRequest, NotFound
from transport.http import LONGEST_PAGE, Json, TokenDied, Transport, all_pages, call_of

MODEL_FAMILY = "marengo"
BY_RANK = (
    "by rank: search gives no score, so a clip's score is its place among the results of its "
    "prompt; what ranks no better than distractor prompts is cut"
)
BY_SCORE = "the search scores of an older index (marengo2.7), as the platform gives them"
DISTRACTORS = ("a video", "an ordinary scene", "something else")

# What each of our options is called by search; text on the screen is part of "visual".
KINDS = {"visual": "visual", "conversation": "transcription", "text_in_video": "visual"}
# And which option of an index's model it needs.
MODEL_OPTIONS = {"visual": "visual", "conversation": "audio", "text_in_video": "visual"}
TRANSCRIPTION_OPTIONS = {"semantic": "semantic", "exact_match": "lexical"}

ClipsByClass = dict[str, list[Clip]]


@dataclass(frozen=True)
class Hit:
    """One result of a search; `score` is None where the platform gives only the rank."""

    video_id: str
    start: float
    end: float
    rank: int
    score: float | None


@dataclass(frozen=True)
class Query:
    """What is asked of one index; `kind` is a search option of the platform."""

    index_id: str
    video_ids: tuple[str, ...]
    kind: str
    transcription_option: str

    def fields(self, text: str) -> list[tuple[str, str]]:
        """The form of one search."""
        fields = [
            ("index_id", self.index_id),
            ("query_text", text),
            ("search_options", self.kind),
            ("group_by", "clip"),
            ("page_limit", str(LONGEST_PAGE)),
            ("filter", json.dumps({"id": list(self.video_ids)})),
        ]
        if self.kind == "transcription":
            fields.append(("transcription_options", self.transcription_option))
        return fields


def kinds_of(options: Sequence[str]) -> dict[str, str]:
    """The kinds of search that serve these options, each with the option its clips get."""
    kinds: dict[str, str] = {}
    for option in options:
        kinds.setdefault(KINDS[option], option)
    return kinds


def queries_in(prompts: int, options: Sequence[str]) -> int:
    """How many searches are paid, distractors included."""
    return (prompts + len(DISTRACTORS)) * len(kinds_of(options))


def best_ranks(hits: Iterable[Hit]) -> dict[tuple[str, int], int]:
    """The best rank of each second of each video."""
    best: dict[tuple[str, int], int] = {}
    for hit in hits:
        for moment in _seconds(hit):
            place = (hit.video_id, moment)
            best[place] = min(best.get(place, hit.rank), hit.rank)
    return best


def cut(hits: Iterable[Hit], best: Mapping[tuple[str, int], int]) -> list[Hit]:
    """Those hits that rank better than every distractor does at any of their seconds."""
    return [
        hit
        for hit in hits
        if all(hit.rank < best.get((hit.video_id, moment), math.inf) for moment in _seconds(hit))
    ]


def _seconds(hit: Hit) -> range:
    return range(math.floor(hit.start), math.ceil(hit.end))


class Search:
    """Asks one index for each prompt and turns ranks into clips."""

    def __init__(self, http: Transport) -> None:
        self._http = http
        self.scores = BY_RANK

    def models(self, held: Sequence[Json]) -> dict[str, str]:
        """The model that judges each kind of evidence: those of an index that can be searched."""
        models: dict[str, str] = {}
        for model in held:
            name = fields.text(model, "model_name")
            needs = fields.texts(model, "model_options")
            if name.startswith(MODEL_FAMILY):
                models |= {option: name for option, need in MODEL_OPTIONS.items() if need in needs}
        return models

    def find_clips(
        self,
        index_id: str,
        videos: Sequence[Video],
        request: ClassifyRequest,
    ) -> tuple[dict[str, ClipsByClass], dict[str, str]]:
        """Clips by video id and class, and the reason for each video that has none to give."""
        durations = {video.video_id: video.duration_s for video in videos}
        failed = {
            key: "the platform does not tell its duration"
            for key, seconds in durations.items()
            if not seconds
        }
        found: dict[str, ClipsByClass] = {
            key: {each.name: [] for each in request.classes}
            for key in durations
            if key not in failed
        }
        if not found:
            return {}, failed
        by_score = False
        prompts = list(dict.fromkeys(text for each in request.classes for text in each.prompts))
        for kind, option in kinds_of(request.options).items():
            query = Query(
                index_id,
                tuple(sorted(found)),
                kind,
                TRANSCRIPTION_OPTIONS[request.conversation_option],
            )
            clips, has_scores = self._clips(query, prompts, option)
            by_score = by_score or has_scores
            for each in request.classes:
                for text in each.prompts:
                    for video_id, clip in clips[text]:
                        if video_id in found and (fitted := _within(clip, durations[video_id])):
                            found[video_id][each.name].append(fitted)
        self.scores = BY_SCORE if by_score else BY_RANK
        return found, failed

    def estimate(
        self, videos: Sequence[Video], request: ClassifyRequest, new_minutes: float
    ) -> Estimate:
        """The searches to be paid, whatever the number of videos."""
        prompts = {text for each in request.classes for text in each.prompts}
        is_asked = bool(videos) or new_minutes > 0
        return Estimate(searches=queries_in(len(prompts), request.options) if is_asked else 0)

    def _clips(
        self, query: Query, prompts: Sequence[str], option: str
    ) -> tuple[dict[str, list[tuple[str, Clip]]], bool]:
        """Clips with their video ids by prompt, and whether the platform scored them."""
        hits = {text: self._hits(query, text) for text in prompts}
        has_scores = any(hit.score is not None for found in hits.values() for hit in found)
        best: dict[tuple[str, int], int] = {}
        if not has_scores:
            best = best_ranks(hit for text in DISTRACTORS for hit in self._hits(query, text))
        clips: dict[str, list[tuple[str, Clip]]] = defaultdict(list)
        for text, found in hits.items():
            for hit in cut(found, best):
                score = 100.0 * (len(found) - hit.rank + 1) / len(found)
                if has_scores:
                    score = hit.score or 0.0
                kept = min(max(score, 0.0), 100.0)
                clips[text].append((hit.video_id, Clip(hit.start, hit.end, kept, option, text)))
        return clips, has_scores

    def _hits(self, query: Query, text: str) -> list[Hit]:
        """All results of one search, from the start again where a page token has died."""
        entries = all_pages(lambda: list(self._pages(query, text)))
        return [_hit(entry, place) for place, entry in enumerate(entries)]

    def _pages(self, query: Query, text: str) -> Iterator[Json]:
        form = MultipartEncoder(query.fields(text))
        headers = {"Content-Type": form.content_type}
        response = self._http.call("POST", "search", data=form.to_string(), headers=headers)
        tokens: set[str] = set()
        while True:
            answer = self._http.json(response)
            entries, info = answer.get("data"), answer.get("page_info")
            if not isinstance(entries, list):
                raise BadAnswer(f"{call_of(response)}: the answer has no list 'data'")
            yield from entries
            token = info.get("next_page_token") if isinstance(info, dict) else None
            if not token:
                return
            if token in tokens:
                raise BadAnswer(f"{call_of(response)}: gives a page that it has given before")
            tokens.add(token)
            try:
                response = self._http.call("GET", "search", token)
            except (BadRequest, NotFound) as error:
                if error.code in PLAN_CODES:
                    raise
                raise TokenDied(error) from None


def _hit(entry: Json, place: int) -> Hit:
    score = entry.get("score")
    try:
        return Hit(
            str(entry["video_id"]),
            float(entry["start"]),
            float(entry["end"]),
            int(entry.get("rank") or place + 1),
            float(score) if score is not None else None,
        )
    except (KeyError, TypeError, ValueError):
        raise BadAnswer("POST search: a result lacks its video_id, start or end") from None


def _within(clip: Clip, duration_s: float) -> Clip | None:
    start, end = max(clip.start, 0.0), min(clip.end, duration_s)
    return Clip(start, end, clip.score, clip.option, clip.prompt) if start < end else None
