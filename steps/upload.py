"""Uploads videos side by side."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed

from steps.folder import STILL_WRITTEN, Refused, VideoFile
from steps.job import Job
from twelvelabs_client import ApiConnectionError, ApiError


def upload_videos(job: Job, videos: Sequence[VideoFile]) -> dict[str, str]:
    """Upload several videos side by side; returns the names by task id.

    A file that cannot be uploaded is noted and the others go on. Raises ApiError where the platform
    is out of reach altogether.
    """
    stopping = threading.Event()
    tasks: dict[str, str] = {}
    pool = ThreadPoolExecutor(job.settings.upload_workers, thread_name_prefix="upload")
    with job.console.bars("Uploading", len(videos), "B") as bars:

        def upload(video: VideoFile) -> str:
            def moved(sent: int, total: int) -> None:
                if stopping.is_set():
                    raise CancelledError
                bars.move(video.name, sent, total)

            return job.client.upload_video(job.index_id, video.path, video.name, on_progress=moved)

        try:
            uploads = {pool.submit(upload, video): video for video in videos}
            for done in as_completed(uploads):
                bars.done(uploads[done].name, note_upload(job, uploads[done], done, tasks))
        except BaseException:
            stopping.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
    return tasks


def note_upload(job: Job, video: VideoFile, upload: Future[str], tasks: dict[str, str]) -> str:
    """Note how an upload ended, and say it in a line."""
    try:
        task_id = upload.result()
        job.uploaded[video.name] = ""
        if video.is_unchanged():
            tasks[task_id] = video.name
            return f"Uploaded {video.name}"
        failure = Refused(video.name, STILL_WRITTEN)
    except ApiConnectionError as error:
        job.client.index(job.index_id)  # raises where the platform is gone, and not one upload
        failure = Refused(video.name, str(error))
    except (ApiError, OSError) as error:
        failure = Refused(video.name, str(error))
    job.failed.append(failure)
    return f"Failed {failure}"
