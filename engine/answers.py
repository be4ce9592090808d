"""The JSON objects that the API answers with, key by key as clients of v1.1 and v1.2 expect."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from classification import ClassScore, Clip, normalized_scores
from engine.catalog import Index, Task, Video
from engine.indexing import Progress
from engine.service import Page, Usage, VideoClasses

Json = dict[str, Any]


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def page_answer(page: Page[Any], data: list[Json], **more: Any) -> Json:
    """A numbered page; `more` goes into its `page_info`."""
    info = {
        "page": page.request.page,
        "limit_per_page": page.request.limit,
        "total_page": page.pages,
        "total_results": page.total,
    }
    return {"data": data, "page_info": info | more}


def index_answer(index: Index, usage: Usage) -> Json:
    """An index with the keys of v1.1 and of v1.2 together: each client reads its own."""
    return {
        "_id": index.id,
        "index_name": index.name,
        "engine_id": index.engine_name,
        "index_options": index.options,
        "engines": [
            {
                "engine_name": index.engine_name,
                "engine_options": index.options,
                "addons": index.addons,
            }
        ],
        "addons": index.addons,
        "models": index.models,
        "video_count": usage.video_count,
        "total_duration": usage.total_duration,
        "created_at": timestamp(index.created_at),
        "updated_at": timestamp(index.updated_at),
        "expires_at": None,
    }


def task_answer(task: Task, progress: Progress | None) -> Json:
    """A task; `process` only while it runs, `error` only when it failed."""
    answer: Json = {
        "_id": task.id,
        "index_id": task.index_id,
        "video_id": task.video_id,
        "type": "index_task_info",
        "status": task.status,
        "metadata": _known(
            filename=task.filename, duration=task.duration, width=task.width, height=task.height
        ),
        "created_at": timestamp(task.created_at),
        "updated_at": timestamp(task.updated_at),
    }
    if progress:
        answer["process"] = {
            "upload_percentage": 100,
            "percentage": progress.percentage,
            "remain_seconds": progress.remain_seconds,
        }
    if task.error_code:
        answer["error"] = {"code": task.error_code, "message": task.error_message}
    return answer


def video_answer(video: Video) -> Json:
    """A video of an index."""
    return {
        "_id": video.id,
        "created_at": timestamp(video.created_at),
        "updated_at": timestamp(video.updated_at),
        "indexed_at": timestamp(video.indexed_at),
        "metadata": video.custom_metadata
        | {
            "filename": video.filename,
            "video_title": video.title or video.filename,
            "duration": video.duration,
            "fps": video.fps,
            "width": video.width,
            "height": video.height,
            "size": video.size,
        },
    }


def video_classes_answer(result: VideoClasses, *, clips: bool, details: bool) -> Json:
    """The classes of one video; clips and detailed scores only where they were asked for."""
    shares = normalized_scores([each.score for each in result.classes])
    return {
        "video_id": result.video_id,
        "classes": [
            _class_answer(each, share, clips=clips, details=details)
            for each, share in zip(result.classes, shares, strict=True)
        ],
    }


def _class_answer(result: ClassScore, share: float, *, clips: bool, details: bool) -> Json:
    answer: Json = {
        "name": result.name,
        "score": result.score,
        "duration_ratio": result.duration_ratio,
    }
    if clips:
        answer["clips"] = [_clip_answer(clip) for clip in result.clips]
    if details:
        answer["detailed_scores"] = {
            "max_score": round(result.max_score, 2),
            "avg_score": result.avg_score,
            "normalized_score": share,
        }
    return answer


def _clip_answer(clip: Clip) -> Json:
    return {
        "start": round(clip.start, 3),
        "end": round(clip.end, 3),
        "score": round(clip.score, 2),
        "option": clip.option,
        "prompt": clip.prompt,
    }


def _known(**values: Any) -> Json:
    return {name: value for name, value in values.items() if value is not None}
