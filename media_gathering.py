"""Fetches pictures and words of the videos from the platform, for the page to show without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from twelvelabs_client import ApiError, TwelveLabsClient
from video_media import HEARD, READ, Words, media_path, prune_media, write_media

PICTURE_EVERY_S = 5.0
MOST_PICTURES = 24
SIDE_BY_SIDE = 4


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
    whose platform gives no pictures or words: the page does without them.
    """
    prune_media(results_dir, durations)
    paths = {video_id: media_path(results_dir, video_id) for video_id in durations}
    lacking = {video_id: path for video_id, path in paths.items() if path and not path.exists()}
    failed: dict[str, str] = {}

    for video_id in durations.keys() - lacking.keys():
        on_done(video_id)

    def gather(video_id: str, path: Path) -> None:
        words: list[Words] = []
        pictures: dict[float, bytes] = {}
        try:
            words = words_of(client, index_id, video_id)
            for time_s in picture_times(durations[video_id], most_pictures):
                pictures[time_s] = client.thumbnail(index_id, video_id, time_s)
        except ApiError as error:
            failed[video_id] = str(error)
        if pictures or video_id not in failed:
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
