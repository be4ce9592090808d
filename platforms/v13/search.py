"""Clips from v1.3's search: one query per prompt and kind of evidence, over the whole index.

Search only ranks: it returns results for every prompt, and no scores. So that not everything
matches, prompts that describe nothing in particular (DISTRACTORS) are searched for as well. A clip
is kept only if it ranks higher for its prompt than the same seconds do for any of those. Its score
is its place among all results of the prompt, 100 for the first, and says nothing about similarity;
`scores` explains this to the user. An index so old that its search still gives scores (marengo2.7)
keeps them, and no clip is removed.

If a page token expires, the query starts again. Unverified: how many ids `filter` accepts.
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
from transport.errors import PLAN_CODES, BadRequest, BadResponse, NotFound
from transport.http import LONGEST_PAGE, Json, PageTokenExpired, Transport, all_pages, call_of

MODEL_FAMILY = "marengo"
BY_RANK = (
    "by rank: search gives no score, so a clip's score is its place among the results of its "
    "prompt; clips that rank no higher than for distractor prompts are removed"
)
BY_SCORE = "the search scores of an older index (marengo2.7), as the platform gives them"
DISTRACTORS = ("a video", "an ordinary scene", "something else")

# The name of each option in search; OCR text is part of "visual" there.
KINDS = {"visual": "visual", "conversation": "transcription", "text_in_video": "visual"}
# The option of the index's model that each option needs.
MODEL_OPTIONS = {"visual": "visual", "conversation": "audio", "text_in_video": "visual"}
TRANSCRIPTION_OPTIONS = {"semantic": "semantic", "exact_match": "lexical"}

NO_DURATION = "the platform does not tell its duration"

ClipsByClass = dict[str, list[Clip]]


@dataclass(frozen=True)
class Hit:
    """One result of a search; `score` is None if the platform gives only the rank."""

    video_id: str
    start: float
    end: float
    rank: int
    score: float | None


@dataclass(frozen=True)
class Query:
    """What to search for in one index; `kind` is a search option of the platform."""

    index_id: str
    video_ids: tuple[str, ...]
    kind: str
    transcription_option: str

    def fields(self, text: str) -> list[tuple[str, str]]:
        """The form fields of one search."""
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
    """The kinds of search that these options need, each with the option that its clips get."""
    kinds: dict[str, str] = {}
    for option in options:
        kinds.setdefault(KINDS[option], option)
    return kinds


def queries_in(prompts: int, options: Sequence[str]) -> int:
    """How many searches are paid for, those for distractors included."""
    return (prompts + len(DISTRACTORS)) * len(kinds_of(options))


def prompts_of(request: ClassifyRequest) -> list[str]:
    """Every prompt of the classes once, in order."""
    return list(dict.fromkeys(prompt for each in request.classes for prompt in each.prompts))


def rank_score(rank: int, results: int) -> float:
    """The score of a rank among so many results: 100 for the first of them."""
    return 100.0 * (results - rank + 1) / results


def best_ranks(hits: Iterable[Hit]) -> dict[tuple[str, int], int]:
    """The best rank of each second of each video."""
    best: dict[tuple[str, int], int] = {}
    for hit in hits:
        for moment in _seconds(hit):
            place = (hit.video_id, moment)
            best[place] = min(best.get(place, hit.rank), hit.rank)
    return best


def cut(hits: Iterable[Hit], best: Mapping[tuple[str, int], int]) -> list[Hit]:
    """The hits that rank higher, in all of their seconds, than any distractor does there."""
    return [
        hit
        for hit in hits
        if all(hit.rank < best.get((hit.video_id, moment), math.inf) for moment in _seconds(hit))
    ]


def _seconds(hit: Hit) -> range:
    return range(math.floor(hit.start), math.ceil(hit.end))


class Search:
    """Searches an index for each prompt and makes clips of the ranks."""

    def __init__(self, http: Transport) -> None:
        self._http = http
        self.scores = BY_RANK

    def models_of(self, models: Sequence[Json]) -> dict[str, str]:
        """The model that judges each kind of evidence, of those that can be searched."""
        judges: dict[str, str] = {}
        for model in models:
            name = fields.text(model, "model_name")
            needs = fields.texts(model, "model_options")
            if name.startswith(MODEL_FAMILY):
                judges |= {option: name for option, need in MODEL_OPTIONS.items() if need in needs}
        return judges

    def find_clips(
        self,
        index_id: str,
        videos: Sequence[Video],
        request: ClassifyRequest,
    ) -> tuple[dict[str, ClipsByClass], dict[str, str]]:
        """Clips by video id and class, and by video id the reason why a video has none."""
        durations = {video.video_id: video.duration_s for video in videos if video.duration_s}
        failed = {video.video_id: NO_DURATION for video in videos if not video.duration_s}
        if not durations:
            return {}, failed
        found: dict[str, ClipsByClass] = {
            video_id: {each.name: [] for each in request.classes} for video_id in durations
        }
        speech = TRANSCRIPTION_OPTIONS[request.conversation_option]
        is_scored = False
        for kind, option in kinds_of(request.options).items():
            query = Query(index_id, tuple(sorted(durations)), kind, speech)
            clips, has_scores = self._clips(query, prompts_of(request), option, durations)
            is_scored = is_scored or has_scores
            for each in request.classes:
                for prompt in each.prompts:
                    for video_id, clip in clips[prompt]:
                        found[video_id][each.name].append(clip)
        self.scores = BY_SCORE if is_scored else BY_RANK
        return found, failed

    def estimate(
        self, videos: Sequence[Video], request: ClassifyRequest, new_minutes: float
    ) -> Estimate:
        """The searches to pay for, whatever the number of videos."""
        is_needed = bool(videos) or new_minutes > 0
        searches = queries_in(len(prompts_of(request)), request.options)
        return Estimate(searches=searches if is_needed else 0)

    def _clips(
        self, query: Query, prompts: Sequence[str], option: str, durations: Mapping[str, float]
    ) -> tuple[dict[str, list[tuple[str, Clip]]], bool]:
        """Clips with their video ids, by prompt, and whether the platform scored them."""
        hits = {prompt: self._hits(query, prompt) for prompt in prompts}
        has_scores = any(hit.score is not None for found in hits.values() for hit in found)
        best: dict[tuple[str, int], int] = {}
        if not has_scores:
            best = best_ranks(hit for prompt in DISTRACTORS for hit in self._hits(query, prompt))
        clips: dict[str, list[tuple[str, Clip]]] = defaultdict(list)
        for prompt, found in hits.items():
            for hit in cut(found, best):
                score = (hit.score or 0.0) if has_scores else rank_score(hit.rank, len(found))
                start, end = max(hit.start, 0.0), min(hit.end, durations.get(hit.video_id, 0.0))
                if start < end:
                    clip = Clip(start, end, min(max(score, 0.0), 100.0), option, prompt)
                    clips[prompt].append((hit.video_id, clip))
        return clips, has_scores

    def _hits(self, query: Query, text: str) -> list[Hit]:
        """All results of one search; it starts again if a page token expires."""
        entries = all_pages(lambda: list(self._pages(query, text)))
        return [_hit(entry, place) for place, entry in enumerate(entries)]

    def _pages(self, query: Query, text: str) -> Iterator[Json]:
        form = MultipartEncoder(query.fields(text))
        headers = {"Content-Type": form.content_type}
        response = self._http.call("POST", "search", data=form.to_string(), headers=headers)
        tokens: set[str] = set()
        while True:
            body = self._http.json(response)
            entries = body.get("data")
            if not isinstance(entries, list):
                raise BadResponse(f"{call_of(response)}: the response has no list 'data'")
            yield from entries
            token = fields.text(fields.table(body, "page_info"), "next_page_token")
            if not token:
                return
            if token in tokens:
                raise BadResponse(f"{call_of(response)}: the platform repeats a page")
            tokens.add(token)
            try:
                response = self._http.call("GET", "search", token)
            except (BadRequest, NotFound) as error:
                if error.code in PLAN_CODES:
                    raise
                raise PageTokenExpired(error) from None


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
        raise BadResponse("POST search: a result lacks its video_id, start or end") from None
