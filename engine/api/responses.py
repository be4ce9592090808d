"""The JSON objects of the API's responses, key by key as clients of v1.1 and v1.2 expect them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from typing_extensions import NotRequired, TypedDict

from core.classification import Clip, normalized_scores
from engine.api.page_tokens import ResultPage
from engine.catalog.queries import Page
from engine.catalog.tables import Index, Task, Video
from engine.evidence import TextSpan
from engine.indexing.tasks import Progress
from engine.retrieval.classify import VideoClasses
from engine.retrieval.search import Confidence, Match
from engine.service import Usage

Item = TypeVar("Item")
# Makes the URL of a video's thumbnail at a time in seconds.
Links = Callable[[str, float], str]


class IdResponse(TypedDict):
    _id: str


class TaskIdResponse(IdResponse):
    video_id: str


class PageInfo(TypedDict):
    page: int
    limit_per_page: int
    total_page: int
    total_results: int
    total_duration: NotRequired[float]


class PageResponse(TypedDict, Generic[Item]):
    data: list[Item]
    page_info: PageInfo


class EngineOfIndex(TypedDict):
    engine_name: str
    engine_options: list[str]
    addons: list[str]


class IndexResponse(IdResponse):
    index_name: str
    engine_id: str
    index_options: list[str]
    engines: list[EngineOfIndex]
    addons: list[str]
    models: dict[str, str]
    outdated: list[str]
    scores: str
    video_count: int
    total_duration: float
    created_at: str
    updated_at: str
    expires_at: str | None


class TaskMetadata(TypedDict):
    filename: str
    duration: NotRequired[float]
    width: NotRequired[int]
    height: NotRequired[int]


class ProcessResponse(TypedDict):
    upload_percentage: int
    percentage: int
    remain_seconds: int


class TaskError(TypedDict):
    code: str
    message: str


class TaskResponse(IdResponse):
    index_id: str
    video_id: str
    type: str
    status: str
    metadata: TaskMetadata
    estimated_time: NotRequired[str]
    created_at: str
    updated_at: str
    process: NotRequired[ProcessResponse]
    error: NotRequired[TaskError]


class TaskCounts(TypedDict):
    index_id: str
    ready: int
    validating: int
    pending: int
    indexing: int
    failed: int
    total_result: int


class VideoMetadata(TypedDict):
    filename: str
    video_title: str
    duration: float
    fps: float
    width: int
    height: int
    size: int
    damage: NotRequired[str]
    fingerprint: NotRequired[str]


class VideoResponse(IdResponse):
    created_at: str
    updated_at: str
    indexed_at: str
    metadata: VideoMetadata


class ValueResponse(TypedDict):
    start: float
    end: float
    value: str


class ValuesResponse(TypedDict):
    id: str
    index_id: str
    data: list[ValueResponse] | None


class ThumbnailResponse(TypedDict):
    thumbnail: str


class TokenPageInfo(TypedDict):
    limit_per_page: int
    total_results: int
    page_expired_at: str
    next_page_token: NotRequired[str]
    prev_page_token: NotRequired[str]
    total_inner_matches: NotRequired[int]


class ClipResponse(TypedDict):
    start: float
    end: float
    score: float
    option: str
    prompt: str
    thumbnail_url: NotRequired[str]


class DetailedScores(TypedDict):
    max_score: float
    avg_score: float
    normalized_score: float


class ClassResponse(TypedDict):
    name: str
    score: float
    duration_ratio: float
    clips: NotRequired[list[ClipResponse]]
    detailed_scores: NotRequired[DetailedScores]


class LabelResponse(ClassResponse):
    max_score: float


class VideoClassesResponse(TypedDict):
    video_id: str
    classes: list[ClassResponse]


class VideoLabelsResponse(TypedDict):
    video_id: str
    labels: list[LabelResponse]


class ClassifyResponse(TypedDict):
    data: list[VideoClassesResponse] | list[VideoLabelsResponse]
    page_info: TokenPageInfo


class LabelsResponse(TypedDict):
    labels: list[LabelResponse]


class SourceResponse(TypedDict):
    type: str
    text: NotRequired[str]


class ModuleResponse(TypedDict):
    type: str
    confidence: str


class MatchResponse(TypedDict):
    video_id: str
    start: float
    end: float
    score: float
    confidence: str
    metadata: list[SourceResponse]
    modules: list[ModuleResponse]
    thumbnail_url: NotRequired[str]


class VideoMatchesResponse(TypedDict):
    id: str
    clips: list[MatchResponse]


class SearchPool(TypedDict):
    index_id: str
    total_count: int
    total_duration: float


class SearchResponse(TypedDict):
    search_pool: SearchPool
    data: list[MatchResponse] | list[VideoMatchesResponse]
    page_info: TokenPageInfo


class EngineResponse(IdResponse):
    author: str
    allowed_engine_options: list[str]
    ready: bool
    finetune: bool


class EnginesResponse(TypedDict):
    data: list[EngineResponse]
    page_info: PageInfo


class ErrorResponse(TypedDict):
    code: str
    message: str


def timestamp(time: datetime) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def page_response(page: Page[Any], data: list[Item]) -> PageResponse[Item]:
    """A numbered page of a list."""
    info: PageInfo = {
        "page": page.request.page,
        "limit_per_page": page.request.limit,
        "total_page": page.pages,
        "total_results": page.total,
    }
    return {"data": data, "page_info": info}


def index_response(index: Index, usage: Usage, outdated: list[str], scores: str) -> IndexResponse:
    """An index with the keys of both v1.1 and v1.2: each client reads its own.

    `outdated` are the kinds of its evidence that the models in use cannot score; `scores` says how
    scores are computed, where they were not calibrated on videos.
    """
    engines = index.engines or [{"engine_name": index.engine_name, "engine_options": index.options}]
    return {
        "_id": index.id,
        "index_name": index.name,
        "engine_id": index.engine_name,
        "index_options": index.options,
        "engines": [
            {
                "engine_name": each["engine_name"],
                "engine_options": each["engine_options"],
                "addons": index.addons,
            }
            for each in engines
        ],
        "addons": index.addons,
        "models": index.models,
        "outdated": outdated,
        "scores": scores,
        "video_count": usage.video_count,
        "total_duration": usage.total_duration,
        "created_at": timestamp(index.created_at),
        "updated_at": timestamp(index.updated_at),
        "expires_at": None,
    }


def task_response(task: Task, progress: Progress | None) -> TaskResponse:
    """A task; it has `process` only while it runs, and `error` only if it failed."""
    metadata: TaskMetadata = {"filename": task.filename}
    if task.duration is not None and task.width is not None and task.height is not None:
        metadata |= {"duration": task.duration, "width": task.width, "height": task.height}
    response: TaskResponse = {
        "_id": task.id,
        "index_id": task.index_id,
        "video_id": task.video_id,
        "type": "index_task_info",
        "status": task.status,
        "metadata": metadata,
        "created_at": timestamp(task.created_at),
        "updated_at": timestamp(task.updated_at),
    }
    if task.estimated_time:
        response["estimated_time"] = timestamp(task.estimated_time)
    if progress:
        response["process"] = {
            "upload_percentage": progress.upload_percentage,
            "percentage": progress.percentage,
            "remain_seconds": progress.remain_seconds,
        }
    if task.error_code:
        response["error"] = {"code": task.error_code, "message": task.error_message or ""}
    return response


def video_response(video: Video) -> VideoResponse:
    """A video of an index; custom fields are next to its own in `metadata`."""
    own: VideoMetadata = {
        "filename": video.filename,
        "video_title": video.title or video.filename,
        "duration": video.duration,
        "fps": video.fps,
        "width": video.width,
        "height": video.height,
        "size": video.size,
    }
    if video.damage:
        own["damage"] = video.damage
    if video.fingerprint:
        own["fingerprint"] = video.fingerprint
    return {
        "_id": video.id,
        "created_at": timestamp(video.created_at),
        "updated_at": timestamp(video.updated_at),
        "indexed_at": timestamp(video.indexed_at),
        "metadata": cast(VideoMetadata, {**video.custom_metadata, **own}),
    }


def values_response(video_id: str, index_id: str, spans: Sequence[TextSpan]) -> ValuesResponse:
    """Transcript or screen text; null if there is none, as on the hosted platform."""
    data: list[ValueResponse] = [
        {"start": round(span.start, 3), "end": round(span.end, 3), "value": span.text}
        for span in spans
    ]
    return {"id": video_id, "index_id": index_id, "data": data or None}


def token_page_info(page: ResultPage[Any, Any], *, ends: bool) -> TokenPageInfo:
    """A page of results; tokens beyond its ends are empty with `ends`, and left out without."""
    info: TokenPageInfo = {
        "limit_per_page": page.limit,
        "total_results": page.total,
        "page_expired_at": timestamp(page.expires_at),
    }
    if page.next_token or ends:
        info["next_page_token"] = page.next_token
    if page.previous_token or ends:
        info["prev_page_token"] = page.previous_token
    return info


def class_responses(
    result: VideoClasses, links: Links, *, clips: bool, details: bool
) -> list[ClassResponse]:
    """The classes of one video; clips and detailed scores only if requested."""
    shares = normalized_scores([each.score for each in result.classes])
    responses = []
    for each, share in zip(result.classes, shares, strict=True):
        response: ClassResponse = {
            "name": each.name,
            "score": each.score,
            "duration_ratio": each.duration_ratio,
        }
        if clips:
            response["clips"] = [_clip_response(clip, result, links) for clip in each.clips]
        if details:
            response["detailed_scores"] = {
                "max_score": round(each.max_score, 2),
                "avg_score": each.avg_score,
                "normalized_score": share,
            }
        responses.append(response)
    return responses


def label_responses(
    result: VideoClasses, links: Links, *, clips: bool, details: bool
) -> list[LabelResponse]:
    """The same as v1.1's labels, which had a `max_score` of their own."""
    responses = class_responses(result, links, clips=clips, details=details)
    return [
        {**response, "max_score": round(each.max_score, 2)}
        for response, each in zip(responses, result.classes, strict=True)
    ]


def _clip_response(clip: Clip, video: VideoClasses, links: Links) -> ClipResponse:
    response: ClipResponse = {
        "start": round(clip.start, 3),
        "end": round(clip.end, 3),
        "score": round(clip.score, 2),
        "option": clip.option,
        "prompt": clip.prompt,
    }
    if video.has_thumbnails:
        response["thumbnail_url"] = links(video.video_id, (clip.start + clip.end) / 2)
    return response


def match_response(match: Match, confidence: Confidence, links: Links | None) -> MatchResponse:
    """A match of a search, with what is said or shown as text there."""
    sources: list[SourceResponse] = []
    for module in match.modules:
        source: SourceResponse = {"type": module.option}
        if module.text is not None:
            source["text"] = module.text
        sources.append(source)
    response: MatchResponse = {
        "video_id": match.video_id,
        "start": round(match.start, 3),
        "end": round(match.end, 3),
        "score": round(match.score, 2),
        "confidence": confidence.word(match.score),
        "metadata": sources,
        "modules": [
            {"type": module.option, "confidence": confidence.word(module.score)}
            for module in match.modules
        ],
    }
    if links:
        response["thumbnail_url"] = links(match.video_id, (match.start + match.end) / 2)
    return response
