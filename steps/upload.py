"""Uploads videos, several at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, as_completed

from steps.console import Bars
from steps.folder import STILL_CHANGING, VideoFile
from steps.job import Job
from steps.pool import thread_pool
from store.records import LeftOut
from twelvelabs_client import ApiConnectionError, ApiError


def upload_videos(job: Job, videos: Sequence[VideoFile]) -> dict[str, str]:
    """Upload videos, several at a time; returns the file names by task id.

    A file that cannot be uploaded is added to the job's failed files, and the others go on. Raises
    ApiError if the platform cannot be reached at all.
    """
    stopping = threading.Event()
    tasks: dict[str, str] = {}
    with (
        job.console.bars("Uploading", len(videos), "B") as bars,
        thread_pool(job.settings.upload_workers, "upload") as pool,
    ):
        try:
            uploads = {pool.submit(upload, job, video, bars, stopping): video for video in videos}
            for finished in as_completed(uploads):
                video = uploads[finished]
                outcome = outcome_of(job, video, finished)
                if isinstance(outcome, LeftOut):
                    job.failed.append(outcome)
                    bars.done(video.name, f"Failed {video.name}: {outcome.reason}")
                else:
                    job.uploaded[video.name] = ""
                    tasks[outcome] = video.name
                    bars.done(video.name, f"Uploaded {video.name}")
        finally:
            stopping.set()
    return tasks


def upload(job: Job, video: VideoFile, bars: Bars, stopping: threading.Event) -> str:
    """Upload one video; returns its task id. Raises CancelledError soon after `stopping` is set."""

    def show_progress(sent: int, total: int) -> None:
        if stopping.is_set():
            raise CancelledError
        bars.move(video.name, sent, total)

    return job.client.upload_video(job.index_id, video.path, video.name, on_progress=show_progress)


def outcome_of(job: Job, video: VideoFile, upload: Future[str]) -> str | LeftOut:
    """The task id of a finished upload, or why it failed.

    After a broken connection the platform is asked for its index, which raises ApiError if the
    platform cannot be reached at all.
    """
    try:
        task_id = upload.result()
    except ApiConnectionError as error:
        job.client.index(job.index_id)
        return LeftOut(video.name, str(error))
    except (ApiError, OSError) as error:
        return LeftOut(video.name, str(error))
    return task_id if video.is_unchanged() else LeftOut(video.name, STILL_CHANGING)
