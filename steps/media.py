"""Fetches thumbnails, transcripts and OCR text, so that the page can show them offline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import as_completed
from pathlib import Path

from core.types import TimedText
from platforms.errors import NotSupported
from steps.job import Job
from steps.pool import thread_pool
from steps.sync import SyncPlan
from store.media import media_path, write_media
from twelvelabs_client import ApiError, TwelveLabsClient

THUMBNAIL_EVERY_S = 5.0
MOST_THUMBNAILS = 24
WORKERS = 4


def fetch_media(job: Job, plan: SyncPlan) -> None:
    """Fetch what the results folder lacks; the page does without what cannot be fetched.

    The media of a video never change, so they are fetched only once.
    """
    durations = plan.durations()
    missing = missing_media(job.settings.results_dir, durations)
    reasons = []
    with (
        job.console.bars("Fetching media", len(missing), "video") as bars,
        thread_pool(WORKERS, "media") as pool,
    ):
        fetches = {
            pool.submit(fetch_video, job, video_id, durations[video_id], path): video_id
            for video_id, path in missing.items()
        }
        for fetch in as_completed(fetches):
            if reason := fetch.result():
                reasons.append(reason)
            bars.done(fetches[fetch])
    if reasons:
        job.console.say(
            f"Thumbnails or text of {len(reasons)} videos could not be fetched: {reasons[0]}"
        )


def missing_media(results_dir: Path, video_ids: Iterable[str]) -> dict[str, Path]:
    """The videos whose media are not in the results folder yet, each with the file to keep them."""
    paths = {video_id: media_path(results_dir, video_id) for video_id in video_ids}
    return {video_id: path for video_id, path in paths.items() if path and not path.exists()}


def fetch_video(job: Job, video_id: str, duration_s: float, path: Path) -> str:
    """Fetch one video's media into a file; returns why some are missing, "" if none are.

    Text without thumbnails is kept only if there will never be any, as on v1.3; otherwise the next
    run tries again. Any platform but the engine, which is near and free, is asked for just one.
    """
    times = thumbnail_times(duration_s, MOST_THUMBNAILS if job.platform.is_engine else 1)
    try:
        text = fetch_text(job.client, job.index_id, video_id)
    except (ApiError, NotSupported) as error:
        return str(error)
    thumbnails, failure = fetch_thumbnails(job.client, job.index_id, video_id, times)
    if thumbnails or not (failure and failure.retryable):
        write_media(path, thumbnails, text)
    return str(failure or "")


def fetch_text(client: TwelveLabsClient, index_id: str, video_id: str) -> list[TimedText]:
    """The transcript and OCR text of a video; none in an index without these options."""
    return client.transcript(index_id, video_id) + client.ocr_text(index_id, video_id)


def fetch_thumbnails(
    client: TwelveLabsClient, index_id: str, video_id: str, times: Sequence[float]
) -> tuple[dict[float, bytes], ApiError | NotSupported | None]:
    """JPEG files by time in seconds, until one cannot be fetched, and the error of that one."""
    thumbnails = {}
    for time_s in times:
        try:
            thumbnails[time_s] = client.thumbnail(index_id, video_id, time_s)
        except (ApiError, NotSupported) as error:
            return thumbnails, error
    return thumbnails, None


def thumbnail_times(duration_s: float, most: int) -> list[float]:
    """The midpoints of equal parts of a video: `most` parts, or one for each few seconds."""
    count = max(min(round(duration_s / THUMBNAIL_EVERY_S), most), 1)
    return [round(duration_s * (part + 0.5) / count, 3) for part in range(count)]
