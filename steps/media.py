"""Fetches pictures and words of the videos from the platform, for the page to show without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from steps.console import Console
from store.media import HEARD, READ, Words, media_path, prune_media, write_media
from twelvelabs_client import ApiError, TwelveLabsClient

PICTURE_EVERY_S = 5.0
MOST_PICTURES = 24
SIDE_BY_SIDE = 4


def fetch_media(
    console: Console,
    client: TwelveLabsClient,
    index_id: str,
    durations: Mapping[str, float],
    results_dir: Path,
    *,
    is_near: bool,
) -> None:
    """Fetch what the results folder lacks, with a bar; what the platform lacks is no failure.

    Where the platform is not near and free, one picture has to do for each video.
    """
    with console.bars("Pictures", len(durations), "video") as bars:
        failed = gather_media(
            client,
            index_id,
            durations,
            results_dir,
            most_pictures=MOST_PICTURES if is_near else 1,
            on_done=bars.done,
        )
    if failed:
        reason = next(iter(failed.values()))
        console.say(f"Some pictures or words are missing for {len(failed)} videos: {reason}")


def gather_media(
    client: TwelveLabsClient,
    index_id: str,
    durations: Mapping[str, float],
    results_dir: Path,
    *,
    most_pictures: int = MOST_PICTURES,
    on_done: Callable[[str], None] = lambda video_id: None,
) -> dict[str, str]:
    """Fetch what the results folder lacks, for videos by id with their seconds.

    What a video has never changes, so a video is fetched once. Returns the reason for each video
    whose platform does not give all pictures and words: the page does without them.
    """
    prune_media(results_dir, durations)
    paths = {video_id: media_path(results_dir, video_id) for video_id in durations}
    lacking = {video_id: path for video_id, path in paths.items() if path and not path.exists()}
    failed: dict[str, str] = {}

    for video_id in durations.keys() - lacking.keys():
        on_done(video_id)

    def gather(video_id: str, path: Path) -> None:
        words: list[Words] | None = None
        pictures: dict[float, bytes] = {}
        may_come = False
        try:
            words = words_of(client, index_id, video_id)
            for time_s in picture_times(durations[video_id], most_pictures):
                pictures[time_s] = client.thumbnail(index_id, video_id, time_s)
        except ApiError as error:
            failed[video_id] = str(error)
            may_come = error.retryable
        # Words are kept alone where there are no pictures to come: v1.3 never gives any.
        if words is not None and (pictures or not may_come):
            write_media(path, pictures, words)
        on_done(video_id)

    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="media") as pool:
        for work in [pool.submit(partial(gather, *item)) for item in lacking.items()]:
            work.result()
    return failed


def words_of(client: TwelveLabsClient, index_id: str, video_id: str) -> list[Words]:
    """Everything heard and read in a video; an index without speech or text has none to give."""
    found = []
    for option, ask in ((HEARD, client.words_heard), (READ, client.words_read)):
        found += [
            Words(float(each["start"]), float(each["end"]), option, str(each["value"]))
            for each in ask(index_id, video_id)
        ]
    return found


def picture_times(duration_s: float, most: int) -> list[float]:
    """The middles of equal stretches of a video, `most` of them or one for each few seconds."""
    count = max(min(round(duration_s / PICTURE_EVERY_S), most), 1)
    return [round(duration_s * (place + 0.5) / count, 3) for place in range(count)]
