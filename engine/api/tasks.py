"""Routes of tasks: uploads on their way to becoming videos."""

from __future__ import annotations

from engine.api.responses import (
    PageResponse,
    TaskCounts,
    TaskIdResponse,
    TaskResponse,
    page_response,
    task_response,
)
from engine.api.routing import Route
from engine.api.schemas.library import CreateTaskForm, TaskCountsQuery
from engine.api.state import service
from engine.api.uploads import most_gigabytes
from engine.catalog.queries import TASKS, PageRequest
from engine.errors import PlatformError
from engine.indexing.subtitles import MAX_BYTES as MAX_SUBTITLE_BYTES
from engine.indexing.subtitles import read_subtitles
from engine.indexing.tasks import Upload


def create_task(form: CreateTaskForm) -> TaskIdResponse:
    """Upload a video or give its URL, optionally with its transcript."""
    video, subtitles = form.video_file, form.transcription_file
    if video and video.path.stat().st_size > service().max_video_bytes:
        raise PlatformError(
            "video_filesize_too_large", f"A video may have {most_gigabytes()} GB at most."
        )
    if subtitles and subtitles.path.stat().st_size > MAX_SUBTITLE_BYTES:
        raise PlatformError("parameter_invalid", "The transcription_file may have 16 MB at most.")
    transcript = (
        read_subtitles(subtitles.path.read_bytes(), "transcription_file") if subtitles else None
    )
    upload = Upload(
        filename=video.filename if video else "",
        path=video.path if video else None,
        url=form.video_url,
        transcript=transcript,
        transcription_url=form.transcription_url,
    )
    task = service().create_task(form.index_id, upload)
    return {"_id": task.id, "video_id": task.video_id}


def list_tasks(page: PageRequest) -> PageResponse[TaskResponse]:
    """List tasks of all indexes, filtered and sorted."""
    found = service().tasks(page)
    return page_response(
        found, [task_response(task, service().progress(task)) for task in found.rows]
    )


def count_tasks(query: TaskCountsQuery) -> TaskCounts:
    """Count the tasks of an index by status."""
    counts = service().task_counts(query.index_id)
    return {
        "index_id": query.index_id,
        "ready": counts.get("ready", 0),
        "validating": counts.get("validating", 0),
        "pending": counts.get("pending", 0),
        "indexing": counts.get("indexing", 0),
        "failed": counts.get("failed", 0),
        "total_result": sum(counts.values()),
    }


def get_task(task_id: str) -> TaskResponse:
    """Get a task, with its progress while it runs and the reason if it failed."""
    task = service().task(task_id)
    return task_response(task, service().progress(task))


def delete_task(task_id: str) -> None:
    """Delete a task that has ended and whose video has been deleted."""
    service().delete_task(task_id)


ROUTES = (
    Route("POST", "/tasks", create_task, status=201),
    Route("GET", "/tasks", list_tasks, listing=TASKS),
    Route("GET", "/tasks/status", count_tasks),
    Route("GET", "/tasks/<task_id>", get_task),
    Route("DELETE", "/tasks/<task_id>", delete_task, status=204),
)
